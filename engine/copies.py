"""Copied drafts: what followed the longest earlier match of the last tokens, in this file or an open one."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 3  # tokens that must match: shorter matches are chance


def copied(prefix: Sequence[int], sources: Sequence[Sequence[int]], length: int) -> list[int]:
    """Up to `length` tokens that followed the longest match, the latest of equally long ones; none without a match.

    `sources` are token sequences, the most useful last: the file's own prefix.
    """
    best, found = LEAST - 1, []
    for source in reversed(sources):
        for end in range(len(source) - 1, 0, -1):
            if source[end - 1] == prefix[-1] and (matched := _matched(prefix, source, end)) > best:
                best, found = matched, list(source[end : end + length])
    return found


def _matched(prefix: Sequence[int], source: Sequence[int], end: int) -> int:
    """How many tokens before `end` equal the prefix' last ones."""
    count = 0
    while count < min(len(prefix), end) and source[end - 1 - count] == prefix[-1 - count]:
        count += 1
    return count
