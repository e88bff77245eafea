"""Immutable text as LSP sees it: lines, positions in three encodings, edits that share what they leave alone."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from operator import attrgetter
from typing import Literal, NamedTuple

Encoding = Literal["utf-8", "utf-16", "utf-32"]

# Blocks, since an edit then rebuilds one block and the row of blocks, whose older owners lose nothing. To type a
# character in the middle of 100 / 10,000 / 50,000 lines, with its byte offset and an immutable view of the text, takes
# (us, 2 cores, Python 3.11): blocks of 256 lines 20 / 42 / 65, one str with its line starts 3 / 170 / 830, a list of
# lines that is copied for every view 1 / 55 / 290.
_BLOCK_LINES = 256
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class Position:
    """As LSP counts: 0-based line, and `character` in units of the negotiated encoding."""

    line: int
    character: int


@dataclass(frozen=True)
class Edit:
    """Replace what lies between two positions. `start` and `end` both None: replace the whole text."""

    start: Position | None
    end: Position | None
    text: str


class Place(NamedTuple):
    """A place in a `Text`: 0-based line, and column in Python characters."""

    line: int
    column: int


class Point(NamedTuple):
    """A place as tree-sitter counts: UTF-8 bytes from the start, rows that end at `\\n` only, bytes in that row."""

    byte: int
    row: int
    column: int


class Text:
    """Immutable lines. Line ends are `\\n`, `\\r\\n` and `\\r`; there is always at least one line; the last has no end.

    Lone surrogates become U+FFFD on the way in: no position moves by it, and all that reads the text afterwards
    (tokenizer, tree-sitter, JSON) can encode it.
    """

    def __init__(self, text: str) -> None:
        self._blocks = tuple(_blocks(_split(without_surrogates(text))))

    @classmethod
    def _of_blocks(cls, blocks: tuple[Block, ...]) -> Text:
        text = cls.__new__(cls)
        text._blocks = blocks
        return text

    def __str__(self) -> str:
        return "".join(chain.from_iterable(block.lines for block in self._blocks))

    def __len__(self) -> int:
        return self._char_starts[-1]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All lines, in runs that edits leave alone or replace: what two texts share are the same objects."""
        return self._blocks

    @property
    def line_count(self) -> int:
        """Lines, of which there is one more than line ends."""
        return self._line_starts[-1]

    @property
    def byte_count(self) -> int:
        """Length as UTF-8."""
        return self._byte_starts[-1]

    @property
    def longest_line(self) -> int:
        """Characters of the longest line, its line end included."""
        return max(block.longest_line for block in self._blocks)

    @cached_property
    def newline(self) -> str:
        """The line end that most lines have: `"\\n"` or `"\\r\\n"`; `"\\n"` where none has one."""
        crlf, rows = (sum(map(attrgetter(ends), self._blocks)) for ends in ("crlf", "rows"))
        return "\r\n" if 2 * crlf > rows else "\n"

    @property
    def end(self) -> Place:
        """The place after the last character."""
        last = self.line_count - 1
        return Place(last, len(self.raw_line(last)))

    def raw_line(self, line: int) -> str:
        """One line with its line end."""
        block = bisect_right(self._line_starts, line) - 1
        return self._blocks[block].lines[line - self._line_starts[block]]

    def line(self, line: int) -> str:
        """One line without its line end."""
        return self.raw_line(line).rstrip("\r\n")

    def lines(self, start: int, stop: int) -> list[str]:
        """Lines `start` to before `stop` with their line ends; both are clamped to the text."""
        start, stop = max(start, 0), min(stop, self.line_count)
        if start >= stop:
            return []
        first, last = (bisect_right(self._line_starts, line) - 1 for line in (start, stop - 1))
        lines = list(chain.from_iterable(block.lines for block in self._blocks[first : last + 1]))
        offset = self._line_starts[first]
        return lines[start - offset : stop - offset]

    def between(self, start: Place, end: Place) -> str:
        """The text from one place to another that is not before it."""
        text = "".join(self.lines(start.line, end.line + 1))
        return text[start.column : len(text) - len(self.raw_line(end.line)) + end.column]

    def before(self, place: Place, max_chars: int) -> str:
        """The last `max_chars` characters before `place`; fewer at the start of the text."""
        return self.between(self.place_at(self.offset(place) - max_chars), place)

    def after(self, place: Place, max_chars: int) -> str:
        """The first `max_chars` characters after `place`; fewer at the end of the text."""
        return self.between(place, self.place_at(self.offset(place) + max_chars))

    def place(self, position: Position, encoding: Encoding) -> Place:
        """The place of an LSP position, clamped to the line's end and the text's end, as LSP says.

        A position inside a character (one half of a surrogate pair, say) is the start of it.
        """
        if position.line < 0:
            return Place(0, 0)
        if position.line >= self.line_count:
            return self.end
        return Place(position.line, _column(self.line(position.line), position.character, encoding))

    def position(self, place: Place, encoding: Encoding) -> Position:
        """The LSP position of a place."""
        return Position(place.line, _units(self.raw_line(place.line)[: place.column], encoding))

    def place_at(self, offset: int) -> Place:
        """The place of an index into `str(self)`, clamped to the text."""
        offset = min(max(offset, 0), len(self))
        index = min(bisect_right(self._char_starts, offset) - 1, len(self._blocks) - 1)
        starts = _starts(map(len, self._blocks[index].lines[:-1]))
        column = offset - self._char_starts[index]
        line = bisect_right(starts, column) - 1
        return Place(self._line_starts[index] + line, column - starts[line])

    def offset(self, place: Place) -> int:
        """The place as an index into `str(self)`."""
        index, lines = self._lines_before(place.line)
        return self._char_starts[index] + sum(map(len, lines)) + place.column

    def point(self, place: Place) -> Point:
        """The place as tree-sitter counts it."""
        index, lines = self._lines_before(place.line)
        byte = self._byte_starts[index] + _bytes("".join(lines))
        row = self._row_starts[index] + "".join(lines).count("\n")
        column = _bytes(self.raw_line(place.line)[: place.column])
        point = Point(byte + column, row, column)
        line = place.line - 1
        while line >= 0 and (raw := self.raw_line(line)).endswith("\r"):  # tree-sitter's row began at an earlier line
            point, line = point._replace(column=point.column + _bytes(raw)), line - 1
        return point

    def place_of_byte(self, byte: int) -> Place:
        """The place of an offset into the UTF-8 text; one inside a character is the start of it."""
        index = min(bisect_right(self._byte_starts, byte) - 1, len(self._blocks) - 1)
        head = self.read_utf8(self._byte_starts[index])[: byte - self._byte_starts[index]]
        return self.place_at(self._char_starts[index] + len(head.decode(errors="ignore")))

    def read_utf8(self, byte: int, _point: object = None) -> bytes:
        """Some bytes from a byte offset on, b"" at the end of the text: a tree-sitter parser's read callback."""
        index = bisect_right(self._byte_starts, byte) - 1
        if index == len(self._blocks):
            return b""
        return "".join(self._blocks[index].lines).encode()[byte - self._byte_starts[index] :]

    def replace(self, start: Place, end: Place, new: str) -> Text:
        """A text with `new` where `start` to `end` was; it shares the blocks that it leaves alone."""
        assert start <= end, "an edit that ends before it starts"
        first, head = start.line, self.raw_line(start.line)[: start.column]
        joined = head + without_surrogates(new) + self.raw_line(end.line)[end.column :]
        if first > 0 and joined.startswith("\n") and self.raw_line(first - 1).endswith("\r"):
            first, joined = first - 1, self.raw_line(first - 1) + joined  # the edit made one \r\n of two line ends
        lines = _split(joined)
        if end.line + 1 < self.line_count:
            lines.pop()  # `joined` ended with a line end: what `_split` found after it is the next line's start
        return self._splice(first, end.line + 1, lines)

    def _splice(self, start: int, stop: int, lines: list[str]) -> Text:
        """Lines `start` to before `stop` (at least one) replaced by `lines`."""
        first, last = (bisect_right(self._line_starts, line) - 1 for line in (start, stop - 1))
        kept_head = self._blocks[first].lines[: start - self._line_starts[first]]
        kept_tail = self._blocks[last].lines[stop - self._line_starts[last] :]
        rebuilt = _blocks([*kept_head, *lines, *kept_tail])
        return self._of_blocks((*self._blocks[:first], *rebuilt, *self._blocks[last + 1 :]))

    def _lines_before(self, line: int) -> tuple[int, tuple[str, ...]]:
        """The block that `line` is in, and the lines of that block before it."""
        index = bisect_right(self._line_starts, line) - 1
        return index, self._blocks[index].lines[: line - self._line_starts[index]]

    @cached_property
    def _line_starts(self) -> list[int]:
        return _starts(len(block.lines) for block in self._blocks)

    @cached_property
    def _char_starts(self) -> list[int]:
        return _starts(map(attrgetter("chars"), self._blocks))

    @cached_property
    def _byte_starts(self) -> list[int]:
        return _starts(map(attrgetter("bytes"), self._blocks))

    @cached_property
    def _row_starts(self) -> list[int]:
        return _starts(map(attrgetter("rows"), self._blocks))


def without_surrogates(text: str) -> str:
    """`text` as a `Text` holds it: with U+FFFD for lone surrogates, which are as wide in every encoding."""
    return text if text.isascii() else _LONE_SURROGATES.sub("\ufffd", text)


class Block(NamedTuple):
    """Some lines and what they add up to."""

    lines: tuple[str, ...]
    chars: int
    bytes: int
    rows: int  # "\n" in it
    crlf: int  # "\r\n" in it
    longest_line: int


def _blocks(lines: list[str]) -> Iterable[Block]:
    size = len(lines) if len(lines) <= 2 * _BLOCK_LINES else _BLOCK_LINES
    return [_block(tuple(lines[start : start + size])) for start in range(0, len(lines), size or 1)]


def _block(lines: tuple[str, ...]) -> Block:
    text = "".join(lines)
    return Block(lines, len(text), _bytes(text), text.count("\n"), text.count("\r\n"), max(map(len, lines)))


def _starts(sizes: Iterable[int]) -> list[int]:
    """Where each block starts, and, last, where the text ends."""
    return list(accumulate(sizes, initial=0))


def _split(text: str) -> list[str]:
    """Lines with their ends; the last has none. `str.splitlines` also splits at form feeds, U+0085, U+2028 and more."""
    lines = io.StringIO(text, newline="").readlines()
    if not lines or lines[-1].endswith(("\n", "\r")):
        lines.append("")
    return lines


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _units(text: str, encoding: Encoding) -> int:
    """The length of `text` in units of `encoding`."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    return len(text.encode()) if encoding == "utf-8" else len(text.encode("utf-16-le")) // 2


def _column(line: str, units: int, encoding: Encoding) -> int:
    """The character that `units` of `encoding` reach; one that ends inside a character counts as the start of it."""
    if units <= 0:
        return 0
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    codec, width = ("utf-8", 1) if encoding == "utf-8" else ("utf-16-le", 2)
    return len(line.encode(codec)[: units * width].decode(codec, "ignore"))
