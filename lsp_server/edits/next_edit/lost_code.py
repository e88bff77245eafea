"""What a next edit would take away for good: what the user has typed lately, and lines that stand nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from lacuna.lsp_server.edits.next_edit.tokens import Token, tokens

Span = tuple[int, int]


def loses_code(text: str, start: int, end: int, new: str, typed: Sequence[Span] = ()) -> bool:
    """Whether to make `new` of a piece of a text removes, and puts nothing in its place, what was `typed` lately, or
    lines of which no other part of the text, nor `new`, says the same.

    An argument on one line may go: that follows from a parameter that is gone.
    """
    for first, last in _removed(text, start, end, new):
        if any(begin < last and first < stop for begin, stop in typed):
            return True
        is_block = "\n" in text[first:last]
        if is_block and not any(_holds(rest, text[first:last]) for rest in (text[:start], new, text[end:])):
            return True
    return False


def _removed(text: str, start: int, end: int, new: str) -> Iterator[Span]:
    """The runs of tokens that are only taken away."""
    old, now = tokens(text, start, end), tokens(new)
    matcher = SequenceMatcher(None, _words(old), _words(now), autojunk=False)
    for kind, first, last, _, _ in matcher.get_opcodes():
        if kind == "delete":
            yield old[first].start, old[last - 1].end


def _holds(text: str, piece: str) -> bool:
    """Whether a text says the same somewhere, however it is laid out."""
    said, wanted = _words(tokens(text)), _words(tokens(piece))
    starts = (at for at, word in enumerate(said) if word == wanted[0])
    return any(said[at : at + len(wanted)] == wanted for at in starts)


def _words(some: Sequence[Token]) -> list[str]:
    return [token.text for token in some]
