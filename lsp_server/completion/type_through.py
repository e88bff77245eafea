"""The type-through cache: whoever types along a suggestion, or goes back to where it was shown, is answered without the
model."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.infill.suggestion import Suggestion

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
        """What is left of a suggestion of which `typed` stands left of the cursor now, and `after` right of it."""
        if not suggestion.text.startswith(typed):
            return None
        rest = suggestion.text[len(typed) :]
        if not rest.strip():
            return None
        for closers in _Closers.possible(suggestion.replaced):
            replaced = suggestion.replaced + closers.added - closers.typed_over
            agrees = closers.explain(self.after, after, is_whole=len(self.after) < AFTER)
            if agrees and _occurs_in_order(after[:replaced], rest):
                return Suggestion(rest, replaced)
        return None


@dataclass(frozen=True)
class _Closers:
    """What became of the closing signs right of the cursor since a suggestion was made."""

    added: int = 0  # by the editor, which closes pairs by itself
    typed_over: int = 0  # by the user: they stand left of the cursor now

    @classmethod
    def possible(cls, replaced: int) -> Iterator[_Closers]:
        """The likeliest first. Only what a suggestion replaces is typed over while typing it."""
        yield cls()
        for count in range(1, replaced + 1):
            yield cls(typed_over=count)
        for count in range(1, MAX_CLOSERS + 1):
            yield cls(added=count)

    def explain(self, before: str, now: str, is_whole: bool) -> bool:
        """Whether that makes `now` of `before`, which is all up to the document's end where it `is_whole`."""
        new, old = now[: self.added], now[self.added :]
        left = before[self.typed_over :]
        is_same = old == left if is_whole else old.startswith(left)
        return is_same and all(sign in CLOSERS for sign in new)


class TypeThrough:
    """Remembers suggestions at a few places of each of a few documents."""

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
        """What is left of the last suggestion that agrees with the text at a snapshot's cursor."""
        entries = reversed(self._entries.get(snapshot.uri, ()))
        return next(filter(None, (entry.left_at(snapshot) for entry in entries)), None)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._entries.pop(uri, None)


def _occurs_in_order(signs: str, text: str) -> bool:
    """Whether `signs` are all in `text` in this order, as editors demand of what a suggestion replaces."""
    position = -1
    for sign in signs:
        position = text.find(sign, position + 1)
        if position < 0:
            return False
    return True
