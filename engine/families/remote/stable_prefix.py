"""What is sent of the text before a hole. It begins at the same line for many keystrokes, so that the server's prompt
cache holds all of it but what was typed."""

from __future__ import annotations

KEPT = 0.7  # of the most that is sent, where the beginning moves


class StablePrefix:
    """Of one document."""

    def __init__(self, most: int) -> None:
        """`most`: characters that are sent."""
        self._most = most
        self._left_out = ""  # what stood before the beginning when it was chosen

    def cut(self, prefix: str) -> str:
        """The end of a prefix, from the beginning of a line on."""
        start = len(self._left_out)
        if not prefix.startswith(self._left_out) or not 0 < len(prefix) - start <= self._most:
            is_long = len(prefix) > self._most
            start = _line_start(prefix, len(prefix) - int(KEPT * self._most)) if is_long else 0
            self._left_out = prefix[:start]
        return prefix[start:]


def _line_start(text: str, at: int) -> int:
    """Of the line after a place; the place itself where the text's last line begins before it."""
    return text.find("\n", at, len(text) - 1) + 1 or at
