"""The last suggestions: who types along one, or goes back to where it was shown, need not wait for the model."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from lsp_server.documents import Snapshot
from lsp_server.suggestion import Suggestion

DOCUMENTS = 8
PLACES = 6  # per document
BEFORE, AFTER = 1000, 300  # characters around the cursor that must be as they were
CLOSERS = ")]}>\"'`"  # what an editor puts behind the cursor when the opening half is typed
MAX_CLOSERS = 3


@dataclass(frozen=True)
class Offer:
    """What was suggested at a place, or what is left of it after some of it was typed."""

    suggestions: tuple[Suggestion, ...]  # the best first, at least one
    invoked: bool  # several were asked for


@dataclass(frozen=True)
class _Entry:
    offset: int
    before: str
    after: str
    offer: Offer

    def left_at(self, snapshot: Snapshot) -> Offer | None:
        """The offer at a place that may be further on, in a text that may be longer; None where they do not agree."""
        typed_count = snapshot.offset - self.offset
        if not 0 <= typed_count <= max(len(suggestion.text) for suggestion in self.offer.suggestions):
            return None
        before = snapshot.prefix(len(self.before) + typed_count)
        if before[: len(before) - typed_count] != self.before:
            return None
        typed, after = before[len(before) - typed_count :], snapshot.suffix(AFTER + MAX_CLOSERS)
        left = tuple(filter(None, (self._rest(suggestion, typed, after) for suggestion in self.offer.suggestions)))
        return Offer(left, self.offer.invoked) if left else None

    def _rest(self, suggestion: Suggestion, typed: str, after: str) -> Suggestion | None:
        rest = suggestion.text[len(typed) :]
        if not suggestion.text.startswith(typed) or not rest.strip():
            return None
        for change in _closer_changes(suggestion.swallowed):
            swallowed = suggestion.swallowed + change
            if self._is_after(after, change) and _occurs_in_order(after[:swallowed], rest):
                return Suggestion(rest, swallowed)
        return None

    def _is_after(self, after: str, change: int) -> bool:
        """Whether the text after the cursor is that of then, but for `change` closers more (or fewer) before it."""
        was = self.after[max(0, -change) :]
        now = after[max(0, change) :]
        reaches_the_end = len(self.after) < AFTER
        agrees = now == was if reaches_the_end else now.startswith(was)
        return agrees and all(sign in CLOSERS for sign in after[: max(0, change)])


class Recall:
    """A few places for each of a few documents, the latest known best."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, deque[_Entry]] = OrderedDict()

    def put(self, snapshot: Snapshot, offer: Offer) -> None:
        """Remember what is suggested at a snapshot's cursor."""
        entries = self._entries.pop(snapshot.uri, None) or deque(maxlen=PLACES)
        before, after = snapshot.prefix(BEFORE), snapshot.suffix(AFTER)
        entries.append(_Entry(snapshot.offset, before, after, offer))
        self._entries[snapshot.uri] = entries
        if len(self._entries) > DOCUMENTS:
            self._entries.popitem(last=False)

    def find(self, snapshot: Snapshot) -> Offer | None:
        """What is left of the latest suggestion that agrees with the text at a snapshot's cursor."""
        entries = reversed(self._entries.get(snapshot.uri, ()))
        return next(filter(None, (entry.left_at(snapshot) for entry in entries)), None)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._entries.pop(uri, None)


def _closer_changes(swallowed: int) -> Iterable[int]:
    """By how much the number of closers behind the cursor may have changed, the likeliest first.

    More: the editor closes pairs by itself. Fewer: the user typed over one that the suggestion replaces.
    """
    return (0, *range(-1, -swallowed - 1, -1), *range(1, MAX_CLOSERS + 1))


def _occurs_in_order(signs: str, text: str) -> bool:
    """Whether `signs` are all in `text` in this order, as editors demand of what a suggestion replaces."""
    position = -1
    for sign in signs:
        position = text.find(sign, position + 1)
        if position < 0:
            return False
    return True
