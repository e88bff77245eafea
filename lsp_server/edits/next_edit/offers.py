"""The next edit that is offered, or the reason why none is; counts of those that were accepted and dismissed."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import TypeVar

from lacuna.lsp_server.edits.replacement import Replacement

REMEMBERED = 500  # dismissed offers

_Key = TypeVar("_Key")


class Quiet(Enum):
    """Why nothing is offered. The value is what the log says."""

    OFF = "next edits are switched off here"
    NOT_READY = "the model is not ready"
    NO_EDIT = "nothing was edited, or nothing that anything follows from"
    NO_PLACE = "no place is related to the edit"
    AS_LIKELY = "no related place became less likely"
    NO_BETTER = "the text as it is is as good as what could stand there"
    SECRET = "what could stand there would hold a secret"
    LOSES_CODE = "what could stand there would lose code"
    OUT_OF_TIME = "nothing was found in time"
    DISMISSED = "an offer was dismissed, and nothing was edited since"
    STALE = "the document moved on"
    SUPERSEDED = "a newer request came"


@dataclass(frozen=True)
class Offer:
    """An edit of one version of one document."""

    id: int
    uri: str
    version: int
    replacement: Replacement
    line: str  # as it stands
    new_line: str
    edited: str  # the document in which the edit was made that it follows
    goes_on: bool = False  # at the cursor: to type something else is no word on it


class Offers:
    """At most one offer is open at a time; what was dismissed does not come back for the same text.

    Whoever dismisses an offer wants no other one in its place: none is made for a document's edits until it is edited
    again. To undo what was taken dismisses it, too.
    """

    def __init__(self) -> None:
        self._ids = count(1)
        self._open: Offer | None = None
        self._applied: deque[tuple[Offer, int]] = deque(maxlen=8)  # and how often the line as it was is left
        self._dismissed: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._unwanted: OrderedDict[str, None] = OrderedDict()  # documents for whose edits no more is wanted
        self.offered = self.shown = self.accepted = self.dismissed = 0  # since the start

    @property
    def open(self) -> Offer | None:
        """What was offered last, and neither taken nor dismissed."""
        return self._open

    def make(
        self,
        edited: str,
        uri: str,
        version: int,
        replacement: Replacement,
        line: str,
        new_line: str,
        *,
        goes_on: bool = False,
    ) -> Offer:
        """A new offer for an edit of a document, in place of the one that is open."""
        if self._open is None or (self._open.line, self._open.new_line, self._open.uri) != (line, new_line, uri):
            self.offered += 1
        self._open = Offer(next(self._ids), uri, version, replacement, line, new_line, edited, goes_on)
        return self._open

    def are_unwanted(self, edited: str) -> bool:
        """Whether the user has dismissed an offer for a document's edits, and has not edited it since."""
        return edited in self._unwanted

    def was_dismissed(self, uri: str, line: str, new_line: str) -> bool:
        """Whether the user has refused to make one line of the other."""
        return (uri, line, new_line) in self._dismissed

    def show(self, id: int) -> None:
        """The editor has drawn it."""
        self.shown += self._open is not None and self._open.id == id

    def accept(self, id: int) -> None:
        """The user took it; the document has often changed before that is said."""
        self.accepted += any(offer.id == id for offer in (self._open, *(offer for offer, _ in self._applied)) if offer)

    def dismiss(self, id: int) -> None:
        """The user does not want it."""
        if self._open is not None and self._open.id == id:
            self._refuse(self._open)
            self._open = None

    def concern(self, uri: str) -> bool:
        """Whether anything was offered in a document, or for its edits, that an edit may do, dismiss, undo or end."""
        offers = (self._open, *(offer for offer, _ in self._applied))
        return uri in self._unwanted or any(offer.uri == uri for offer in offers if offer)

    def moved_on(self, uri: str, text: str) -> None:
        """A document became another text: what was offered in it was done, or is dismissed; or was done and undone."""
        self._settle(uri, text)
        self._unwanted.pop(uri, None)
        for applied, left in list(self._applied):
            if applied.uri == uri and not applied.goes_on and text.count(applied.line) > left:
                self._refuse(applied)
                self._applied.remove((applied, left))

    def _settle(self, uri: str, text: str) -> None:
        offer = self._open
        if offer is None or offer.uri != uri:
            return
        if offer.new_line in text:
            self._applied.append((offer, text.count(offer.line)))
        elif not offer.goes_on:
            self._refuse(offer)
        self._open = None

    def _refuse(self, offer: Offer) -> None:
        self.dismissed += 1
        _remember(self._dismissed, (offer.uri, offer.line, offer.new_line))
        _remember(self._unwanted, offer.edited)


def _remember(known: OrderedDict[_Key, None], key: _Key) -> None:
    known[key] = None
    if len(known) > REMEMBERED:
        known.popitem(last=False)
