"""The prefix window: where reading begins. It starts at a line and moves in jumps, so that it does not slide on every
key."""

from __future__ import annotations

import re

from engine.tokenizer import Tokenizer

WINDOW = 512  # tokens a window may hold
JUMP = 128  # tokens that a new window leaves free, to be typed into before the next jump
OPENING = 256  # characters by which a window is found again after edits above it
SNIPPETS = 192  # tokens of snippets at the head of a window


class Window:
    """Remembers its own beginning as text, so it needs no line numbers and stands still while lines above it move."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._opening = ""
        self._head = ""

    def cut(self, prefix: str, snippets: tuple[str, ...]) -> str:
        """The text to read for this prefix: snippets, chosen when the window was placed, then the prefix from its line
        on."""
        head, start = self.place(prefix, snippets)
        return head + prefix[start:]

    def place(self, prefix: str, snippets: tuple[str, ...]) -> tuple[str, int]:
        """The same in two parts: what is read before the prefix, and where in the prefix reading begins."""
        start = prefix.find(self._opening) if self._opening else -1
        if (
            start < 0
            or self._size(self._head + prefix[start:]) > WINDOW
            or (start > 0 and self._size(prefix[start:]) < JUMP)
        ):
            self._head = self.choose(snippets)
            start = self._line(prefix, WINDOW - JUMP - self._size(self._head))
            self._opening = prefix[start : start + OPENING]
        return self._head, start

    def choose(self, snippets: tuple[str, ...]) -> str:
        """Snippets as they are, each ended by an empty line, the most useful last, while they fit."""
        head = ""
        for snippet in reversed(snippets):
            longer = snippet.rstrip("\n") + "\n\n" + head
            if self._size(longer) > SNIPPETS:
                break
            head = longer
        return head

    def _line(self, prefix: str, budget: int) -> int:
        """The earliest line start from which the prefix fits the budget; inside the last line if that alone is too
        long."""
        lines = re.findall(r"[^\n]*\n|[^\n]+", prefix)
        start = len(prefix)
        for line in reversed(lines):
            size = self._size(line)
            if size > budget:
                break
            start -= len(line)
            budget -= size
        if start == len(prefix) and lines:
            start -= len(
                self._tokenizer.decode(self._tokenizer.encode(lines[-1])[-budget:]).decode("utf-8", errors="ignore")
            )
        return start

    def _size(self, text: str) -> int:
        return len(self._tokenizer.encode(text))
