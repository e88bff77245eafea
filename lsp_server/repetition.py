"""Repetition: a fill that says again what stands around it, or that says one thing over and over."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\w+|([^\w\s])\1*")  # a ruler of dashes is one token
_MAX_PERIOD = 8  # tokens
_MAX_REPEATS = 4  # of something with letters in it
_MAX_SIGN_REPEATS = 10  # of numbers and signs: rows of zeros are written by people, too


def overlaps(fill: str, suffix: str) -> list[int]:
    """The lengths, longest first, of the ends of `fill` that are also the beginning of `suffix`."""
    longest = min(len(fill), len(suffix))
    return [length for length in range(longest, 0, -1) if fill.endswith(suffix[:length])]


def loops(text: str) -> bool:
    """Whether `text` ends in a few tokens over and over, as small models do when they have lost the thread."""
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    for period in range(1, min(_MAX_PERIOD, len(tokens) // 2) + 1):
        unit = tokens[-period:]
        repeats = 1
        while tokens[-period * (repeats + 1) : -period * repeats] == unit:
            repeats += 1
        if repeats >= (_MAX_REPEATS if any(has_word(token) for token in unit) else _MAX_SIGN_REPEATS):
            return True
    return False


def repeats_above(above: Sequence[str], line: str) -> bool:
    """Whether `line` is the one above it once more: with words at once, signs alone (`},` or `0, 0`) the third time."""
    last = [other.rstrip() for other in above if other.strip()][-2:]
    same = [other for other in last if other == line.rstrip()]
    return bool(last) and last[-1] == line.rstrip() and (has_word(line) or len(same) == 2)


def has_word(text: str) -> bool:
    """Whether there is a letter in it."""
    return any(character.isalpha() for character in text)
