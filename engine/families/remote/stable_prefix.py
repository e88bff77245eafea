"""What is sent of the text before a hole. It begins at the same line for many keystrokes, and is split at the same one:
what stands behind the split is given to the model as the beginning of its answer, so that a server's prompt cache holds
all but what was typed."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = 0.7  # of the most that is sent, where the beginning moves
FIRST = 0.3  # of the most that stands behind the split, where that moves


@dataclass(frozen=True)
class Cut:
    """The end of a text, in two pieces."""

    prefix: str
    middle: str


class StablePrefix:
    """Of one document."""

    def __init__(self, most: int, most_middle: int) -> None:
        """`most`: characters that are sent; `most_middle`: of them behind the split."""
        self._most, self._most_middle = most, most_middle
        self._left_out = ""  # what stood before the beginning when it was chosen
        self._above = ""  # and before the split

    def cut(self, text: str) -> Cut:
        """From the beginning of a line on, split at one."""
        start, split = len(self._left_out), len(self._above)
        if not text.startswith(self._left_out) or not 0 < len(text) - start <= self._most:
            is_long = len(text) > self._most
            start = _line_start(text, len(text) - int(KEPT * self._most)) if is_long else 0
            self._left_out = text[:start]
        if not text.startswith(self._above) or not 0 < len(text) - split <= self._most_middle or split < start:
            split = max(start, self._split(text))
            self._above = text[:split]
        return Cut(text[start:split], text[split:])

    def _split(self, text: str) -> int:
        """A line's start so many characters before the end; the last line's, if that is longer."""
        found = _line_start(text, max(0, len(text) - int(FIRST * self._most_middle) - 1))
        return found if len(text) - found <= self._most_middle else len(text)


def _line_start(text: str, at: int) -> int:
    """Of the line after a place; the place itself where the text's last line begins before it."""
    return text.find("\n", at, len(text) - 1) + 1 or at
