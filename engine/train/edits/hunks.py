"""Hunks: the lines in which a file differs from one release to the next, and what words they change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# Words that any two changes may share.
_COMMON = frozenset({
    "and", "as", "assert", "bool", "class", "cls", "const", "def", "dict", "elif", "else", "export", "false", "False",
    "for", "from", "function", "if", "import", "in", "int", "is", "let", "list", "new", "None", "not", "null", "or",
    "public", "raise", "return", "self", "str", "string", "this", "true", "True", "type", "undefined", "var", "void",
    "with",
})  # fmt: skip
_WORD = re.compile(r"\w+")
MOST_WORDS = 8  # that come or go in a change which follows from another one
_LEAST = 3  # characters of a word that says something


@dataclass(frozen=True)
class Hunk:
    """Lines that take the place of those from `start` to `end` of the older file, counted from 0."""

    start: int
    end: int
    lines: tuple[str, ...]  # each with its line end


@dataclass(frozen=True)
class ChangedWords:
    come: frozenset[str]
    gone: frozenset[str]

    @property
    def telling(self) -> frozenset[str]:
        """Those that not any two changes share."""
        return frozenset(filter(is_telling, self.come | self.gone))

    @property
    def count(self) -> int:
        return len(self.come) + len(self.gone)


def hunks(before: Sequence[str], after: Sequence[str]) -> list[Hunk]:
    """The lines that differ, from top to bottom."""
    changed = (one for one in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if one[0] != "equal")
    return [Hunk(start, end, tuple(after[first:last])) for _, start, end, first, last in changed]


def changed_words(removed: Sequence[str], added: Sequence[str]) -> ChangedWords:
    """The words that lines have more often after a change than before, and less often."""
    old, new = Counter(words("".join(removed))), Counter(words("".join(added)))
    return ChangedWords(frozenset(new - old), frozenset(old - new))


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def shape(line: str) -> str:
    """A line with a letter in the place of each word."""
    return _WORD.sub("w", line)


def is_telling(word: str) -> bool:
    """Whether not any two changes share it."""
    return len(word) >= _LEAST and word not in _COMMON


def follows(one: ChangedWords, other: ChangedWords, known: Collection[str]) -> bool:
    """Whether a change can be foreseen from another one: it changes few words, one that tells as the other does, and
    brings no word that is not `known`."""
    if one.count > MOST_WORDS or not one.come <= set(known):
        return False
    shared = (one.come & other.come) or (not one.come and one.gone & other.gone)
    return any(map(is_telling, shared or ()))
