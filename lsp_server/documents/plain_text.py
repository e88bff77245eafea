"""A document with `\\n` as its only line end, read in pieces: what is done at every key must not build it whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from lacuna.lsp_server.documents.text import Place, Text


class PlainText:
    """Offsets count its characters; lines and columns are the document's."""

    def __init__(self, text: Text) -> None:
        self._blocks = text.blocks
        self._starts = list(accumulate((block.chars - block.crlf for block in self._blocks), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, span: slice) -> str:
        """The text from one offset to before another."""
        return "".join(self._pieces(*span.indices(len(self))[:2]))

    def has_line_end(self, start: int, stop: int) -> bool:
        """Whether a line ends in a span."""
        return any("\n" in piece for piece in self._pieces(start, stop))

    def unshared(self, other: PlainText) -> tuple[int, str, str]:
        """Where two texts cease to share lines, and what each holds from there to where they share all that follows.

        Of a text and an edited one that is some 512 lines, however long they are.
        """
        mine, others = self._blocks, other._blocks
        most = min(len(mine), len(others))
        head = next((at for at in range(most) if mine[at] is not others[at]), most)
        tail = next((at for at in range(most - head) if mine[-1 - at] is not others[-1 - at]), most - head)
        start, end = self._starts[head], self._starts[len(mine) - tail]
        return start, self[start:end], other[start : other._starts[len(others) - tail]]

    def _pieces(self, start: int, stop: int) -> Iterator[str]:
        first = max(bisect_right(self._starts, start) - 1, 0)
        for block, at in zip(self._blocks[first:], self._starts[first:], strict=False):
            if at >= stop:
                return
            yield plain("".join(block.lines))[max(start - at, 0) : stop - at]


def plain(text: Text | str) -> str:
    """A text with `\\n` as its only line end; its lines and columns are the same. The server's one place for it."""
    found = str(text)
    return found.replace("\r\n", "\n").replace("\r", "\n") if "\r" in found else found


def place_in(text: str, offset: int) -> Place:
    """The place of an index into a plain text; it is that of the document, too."""
    return Place(text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1)


def offset_in(text: str, place: Place) -> int:
    """A place of a document as an index into its plain text."""
    start = 0
    for _ in range(place.line):
        start = text.index("\n", start) + 1
    return start + place.column
