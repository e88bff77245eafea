"""Halves of surrogate pairs: editors that hold UTF-16 can take a pair apart, and put it together again."""

from __future__ import annotations

import re
from bisect import bisect_left

_LONE = re.compile("[\ud800-\udfff]")


class LoneSurrogates:
    """Which lone surrogates stand where a `Text` has U+FFFD, by index into it.

    A `Text` cannot hold them, since nothing that reads it could encode them. But an editor can: two that an edit
    brings together are one character from then on.
    """

    def __init__(self, text: str = "") -> None:
        self._places: list[int] = []
        self._units: list[str] = []
        if not text.isascii():
            self._put(0, 0, text)

    def at(self, index: int) -> str:
        """The lone surrogate at an index; "" where there is none."""
        found = bisect_left(self._places, index)
        return self._units[found] if found < len(self._places) and self._places[found] == index else ""

    def replace(self, start: int, end: int, new: str) -> None:
        """Move along with an edit: `new`, with its lone surrogates, stands where `start` to `end` was."""
        first, last = bisect_left(self._places, start), bisect_left(self._places, end)
        moved = len(new) - (end - start)
        if moved:
            self._places[last:] = [place + moved for place in self._places[last:]]
        del self._places[first:last], self._units[first:last]
        if not new.isascii():
            self._put(first, start, new)

    def _put(self, at: int, start: int, text: str) -> None:
        found = list(_LONE.finditer(text))
        self._places[at:at] = [start + match.start() for match in found]
        self._units[at:at] = [match[0] for match in found]


def joined(text: str) -> str:
    """`text` with one character where the two halves of a pair follow each other."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def halves(character: str) -> tuple[str, str]:
    """The two surrogates of a character outside of the basic plane."""
    data = character.encode("utf-16-le")
    high, low = (data[half : half + 2].decode("utf-16-le", "surrogatepass") for half in (0, 2))
    return high, low


def is_high(text: str) -> bool:
    """Whether `text` ends with the first half of a pair."""
    return bool(text) and "\ud800" <= text[-1] <= "\udbff"


def is_low(text: str) -> bool:
    """Whether `text` begins with the second half of a pair."""
    return bool(text) and "\udc00" <= text[0] <= "\udfff"
