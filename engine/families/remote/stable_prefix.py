"""What is sent of the text before a hole. It begins at the same line for many keystrokes, so that the server's prompt
cache holds all of it but what was typed."""

from __future__ import annotations

MOST = 6_000  # characters that are sent
KEPT = 4_000  # of these, where the beginning moves


class StablePrefix:
    """Of one document."""

    def __init__(self) -> None:
        self._left_out = ""  # what stood before the beginning when it was chosen

    def cut(self, prefix: str) -> str:
        """The end of a prefix, from the beginning of a line on."""
        start = len(self._left_out)
        if not prefix.startswith(self._left_out) or not 0 < len(prefix) - start <= MOST:
            start = _line_start(prefix, len(prefix) - KEPT) if len(prefix) > MOST else 0
            self._left_out = prefix[:start]
        return prefix[start:]


def _line_start(text: str, at: int) -> int:
    """Of the line after a place; the place itself where the text's last line begins before it."""
    return text.find("\n", at) + 1 or at
