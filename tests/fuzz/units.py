"""A document as an editor holds it: a row of code units, and LSP's rules for positions, without a line of the server's.

Each unit of the encoding is one character of a Python string: a byte in utf-8, half a surrogate pair in utf-16. So
positions are indices, and an edit is a slice.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Encoding = Literal["utf-8", "utf-16", "utf-32"]
Position = tuple[int, int]
LONE = re.compile("[\ud800-\udfff]")
LINE_END = re.compile("\r\n|\n|\r")


class Change(NamedTuple):
    start: Position | None  # None: the whole text
    end: Position | None
    text: str


def to_units(text: str, encoding: Encoding) -> str:
    if encoding == "utf-16":
        data = text.encode("utf-16-le", "surrogatepass")
        return "".join(chr(data[at] | data[at + 1] << 8) for at in range(0, len(data), 2))
    text = LONE.sub("\ufffd", text)  # other encodings have no halves
    return text.encode().decode("latin-1") if encoding == "utf-8" else text


def from_units(units: str, encoding: Encoding) -> str:
    """As text, a half without its other half as U+FFFD."""
    if encoding == "utf-8":
        return units.encode("latin-1").decode()
    if encoding == "utf-16":
        units = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return LONE.sub("\ufffd", units)


class Document:
    def __init__(self, text: str, encoding: Encoding) -> None:
        self.encoding = encoding
        self.units = to_units(text, encoding)

    @property
    def text(self) -> str:
        return from_units(self.units, self.encoding)

    def apply(self, change: Change) -> None:
        new = to_units(change.text, self.encoding)
        if change.start is None or change.end is None:
            self.units = new
            return
        start, end = self.index(change.start), self.index(change.end)
        self.units = self.units[:start] + new + self.units[end:]

    def lines(self) -> list[tuple[int, int]]:
        """Where each line begins, and where it ends, without its line end."""
        ends = [match.span() for match in LINE_END.finditer(self.units)]
        starts = [0, *(end for _, end in ends)]
        return list(zip(starts, [*(start for start, _ in ends), len(self.units)], strict=True))

    def index(self, position: Position) -> int:
        """Behind the end of a line is its end, and behind the text its end; within a byte sequence is its start."""
        lines = self.lines()
        line, character = position
        if line >= len(lines):
            return len(self.units)
        at = min(lines[line][0] + character, lines[line][1])
        while self.encoding == "utf-8" and at < lines[line][1] and 0x80 <= ord(self.units[at]) < 0xC0:
            at -= 1
        return at
