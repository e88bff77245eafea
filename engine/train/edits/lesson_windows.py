"""Windows of a file as they stand after some hunks, and what should become of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from lacuna.engine import diff_api
from lacuna.engine.diff_api import ABOVE_WINDOW, LONGEST_LINE, WINDOW_LINES, DiffQuestion
from lacuna.engine.train.edits.edited_file import Version
from lacuna.engine.train.edits.hunks import Hunk, changed_words, words

LEAST_LINES = 3  # of a window
CHANGED = 2  # windows of a history that change, at most
_SEARCHED = 40  # places at which windows are tried


@dataclass(frozen=True)
class Wanted:
    """What becomes of a question's lines from `start` to `end`."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """A window, and what should become of it: nothing where `wanted` is None."""

    question: DiffQuestion
    wanted: Wanted | None


class Asked:
    """Windows of a version after hunks of another, or of the same."""

    def __init__(self, told: Version, version: Version, hunks: tuple[diff_api.Hunk, ...]) -> None:
        self._told, self._version, self._hunks = told, version, hunks
        last = hunks[-1]
        end = last.line - 1 + len(last.above) + len(last.added)
        self._below = end if version is told else -1
        self._edited = end - len(last.added) if version is told else -1

    def changed(self, hunks: Sequence[int], foreseen: Set[int], chance: random.Random) -> Iterator[Lesson]:
        """Windows in which the first hunk is to be made, or another one, and what else of them can be foreseen."""
        taken: list[range] = []
        for hunk in [hunks[0], *chance.sample(hunks[1:], len(hunks) - 1)]:
            if len(taken) == CHANGED:
                return
            one = next(left for at, left in self._version.left if at == hunk)
            lines = chance.randint(max(LEAST_LINES, one.end - one.start), WINDOW_LINES)
            first = self._first(one, lines, chance)
            question = self._question(first, lines)
            if question is None or any(first < other.stop and other.start < first + lines for other in taken):
                continue
            wanted = self._wanted(first, first + len(question.lines), foreseen)
            if wanted is not None:
                taken.append(range(first, first + lines))
                yield Lesson(question, wanted)

    def _first(self, one: Hunk, lines: int, chance: random.Random) -> int:
        """Of so many lines with a hunk in them."""
        size = max(one.end - one.start, 1)
        first = max(0, one.start - chance.randint(0, max(0, lines - size)))
        if one.start == one.end and first == one.start:
            first = max(0, first - 1)  # a line comes behind another one
        if 0 <= self._below <= one.start < self._below + lines - size and chance.random() < 0.5:
            first = max(first, self._below)
        return first

    def _wanted(self, first: int, end: int, foreseen: Set[int]) -> Wanted | None:
        """What becomes of the lines from one up to another; None where too much does, or what does is not all there."""
        some = [left for at, left in self._version.left if at in foreseen and first <= left.start and left.end <= end]
        if not some:
            return None
        lines, read = list[str](), some[0].start
        for left in some:
            lines += [*self._version.lines[read : left.start], *left.lines]
            read = left.end
        is_large = max(len(lines), read - some[0].start) > WINDOW_LINES
        return None if is_large else Wanted(some[0].start - first, read - first, tuple(lines))

    def unchanged(self, count: int, chance: random.Random) -> Iterator[Lesson]:
        """Windows that stay as they are: below the last hunk, around words that it touches, and any."""
        lines, last = self._version.lines, self._hunks[-1]
        telling = changed_words(last.removed, last.added).telling
        related = [at for at, line in enumerate(lines) if not telling.isdisjoint(words(line))]
        if not lines:
            return
        size = chance.randint(LEAST_LINES, WINDOW_LINES)
        tried = [self._below] if self._below >= 0 and chance.random() < 0.5 else []
        if self._edited > 0 and chance.random() < 0.3:
            tried.insert(0, max(0, self._edited - size))
        for _ in range(_SEARCHED):
            is_near = related and chance.random() < 0.7
            at = chance.choice(related) - chance.randint(0, size - 1) if is_near else chance.randrange(len(lines))
            tried.append(max(0, at))
        taken: list[int] = []
        for first in tried:
            if len(taken) == count:
                return
            is_left = any(first - 1 <= one.end and one.start <= first + size for _, one in self._version.left)
            if is_left or any(abs(first - other) < size for other in taken):
                continue
            question = self._question(first, size)
            if question is not None:
                taken.append(first)
                yield Lesson(question, None)

    def _question(self, first: int, lines: int) -> DiffQuestion | None:
        end = first + lines
        if first < self._edited and first == max(0, self._edited - lines):
            end = self._edited  # right above the last hunk
        some = self._version.lines[first:end]
        long = next((at for at, line in enumerate(some) if len(line) > LONGEST_LINE), len(some))
        if not "".join(some[:long]).strip():
            return None
        above = () if first == self._below else tuple(self._version.lines[max(0, first - ABOVE_WINDOW) : first])
        elsewhere = self._version.path if self._version is not self._told else ""
        return DiffQuestion(
            self._told.path, self._hunks, first - len(above) + 1, above, tuple(some[:long]), elsewhere=elsewhere
        )
