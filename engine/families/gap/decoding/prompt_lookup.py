"""Prompt lookup: what followed the same tokens elsewhere, in this file or an open one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# How often what followed the latest match of so many tokens is the next token, and how many have such a match, over
# 3,011 tokens of 600 rests of lines of held-out Python: 0.72 (672), 0.54 (252), 0.46 (427), 0.24 (899).
RIGHT = {4: 0.7, 3: 0.5, 2: 0.45, 1: 0.25}
LONGEST = max(RIGHT)


class PromptLookup:
    """The latest token after every run of up to four tokens, for drafts (prompt lookup decoding)."""

    def __init__(self, sources: Sequence[Sequence[int]], right: Mapping[int, float] = RIGHT) -> None:
        """`sources` are token sequences, the most useful last: the file's own prefix. `right`: how probable a match of
        so many tokens makes what followed it."""
        self._right = right
        self._next: dict[tuple[int, ...], int] = {}
        for source in sources:
            for size in RIGHT:
                for end in range(size, len(source)):
                    self._next[tuple(source[end - size : end])] = source[end]

    def following(self, tokens: Sequence[int]) -> tuple[int, float] | None:
        """What followed the longest match of the last tokens, and how probable that makes it; None without a match."""
        for size, right in self._right.items():
            last = tuple(tokens[-size:])
            if len(last) == size and last in self._next:
                return self._next[last], right
        return None
