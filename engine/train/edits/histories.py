"""Histories: some hunks of a release are made in a file, and windows of it or of another file stand as they are then.

What a release has for a window is what should follow, where the hunks that were made speak for it; in most windows
nothing follows.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from lacuna.engine import diff_api
from lacuna.engine.diff_api import (
    ABOVE_HUNK,
    ABOVE_WINDOW,
    LONGEST_LINE,
    MOST_HUNKS,
    WINDOW_LINES,
    DiffQuestion,
)
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits.edited_file import EditedFile, Version
from lacuna.engine.train.edits.hunks import Hunk, changed_words, follows, shape, words

MOST_OF_FILE = 60  # of a file; one with more was written anew
MOST_LINES = 6  # that go, or come, at once
LEAST_LINES = 3  # of a window
CHANGED, UNCHANGED = 2, (0, 1, 1)  # windows of a history that change, at most, and that stay as they are
NOTHING = 0.15  # of the histories, after which nothing follows
MADE_UP = 0.7  # of the histories
BESIDE, LIKE = 3, 0.7  # lines around one that comes, and how like one of them it must be in shape
MOST_MADE_UP = (3, 5)  # lines, and words that come or go: more of a made-up edit cannot be foreseen
OTHERS_TOO = 0.3  # how often a hunk is told that has nothing to do with what follows
MOST_SAYING = 100  # hunks of a release that change the same word: no one of them says anything of another
_DRAWN = 4  # until there is something to learn
_SEARCHED = 40  # places at which windows are tried
_COMMENTS = ("#", "//", "/*", "*", '"""')


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


@dataclass(frozen=True)
class _Follows:
    """A hunk, and those of one file that speak for it."""

    file: EditedFile
    hunk: int
    told: EditedFile
    by: tuple[int, ...]


class Histories:
    """Which history has which number, by a seed."""

    def __init__(self, files: Iterable[ChangedFile], seed: int) -> None:
        self._seed, seen = seed, set[tuple[object, ...]]()
        releases = groupby(files, key=lambda file: (file.package, file.newer))
        self._releases = [found for _, group in releases if (found := _found([EditedFile(one) for one in group], seen))]
        if not self._releases:
            raise ValueError("there is nothing to learn next edits from")

    def __len__(self) -> int:
        """How many hunks follow from others."""
        return sum(map(len, self._releases))

    def history(self, number: int) -> list[Lesson]:
        """Windows after the same hunks, the same in every run; none where none could be cut."""
        chance = random.Random(f"{self._seed}/{number}")
        sizes = [min(len(release), 30) for release in self._releases]  # so that no package takes over
        for release in chance.choices(self._releases, sizes, k=_DRAWN):
            found: _Follows | None = chance.choice(release)
            if chance.random() < MADE_UP and found is not None:
                found = _made_up(found.file.made_up(chance), chance)
            if found is not None and (lessons := list(_lessons(found, chance))):
                return lessons
        return []


def _made_up(file: EditedFile | None, chance: random.Random) -> _Follows | None:
    """One of its places, after others."""
    if file is None or len(file.hunks) < 2 or not all(file.is_small(at) for at in range(len(file.hunks))):
        return None
    hunk = chance.randrange(len(file.hunks))
    others = tuple(at for at in range(len(file.hunks)) if at != hunk and _speaks(file, at, file, hunk))
    is_short = len(file.hunks[hunk].lines) <= MOST_MADE_UP[0] and file.changed[hunk].count <= MOST_MADE_UP[1]
    is_wanted = is_short and _is_wanted(file, hunk) and _has_models(file, file.hunks[hunk])
    return _Follows(file, hunk, file, others) if others and is_wanted else None


def _has_models(file: EditedFile, hunk: Hunk) -> bool:
    """Whether each line that comes is like one beside it, or like one that goes: others cannot be foreseen."""
    near = {shape(line) for line in file.lines[max(0, hunk.start - BESIDE) : hunk.end + BESIDE]}
    return all(any(_is_like(shape(line), other) for other in near) for line in hunk.lines)


def _is_like(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= LIKE


def _found(files: Sequence[EditedFile], seen: set[tuple[object, ...]]) -> list[_Follows]:
    """The hunks of a release that follow from others, those of the same file first; but for changes that were seen
    before."""
    files = [file for file in files if len(file.hunks) <= MOST_OF_FILE]
    saying: dict[str, list[tuple[EditedFile, int]]] = defaultdict(list)
    for file in files:
        for at, changed in enumerate(file.changed):
            if file.is_small(at):
                for word in changed.telling:
                    saying[word].append((file, at))
    found = []
    for file in files:
        for at, hunk in enumerate(file.hunks):
            change = (tuple(file.lines[hunk.start : hunk.end]), hunk.lines)
            if change not in seen and _is_wanted(file, at):
                some = list(_follows(file, at, saying))
                found += some
                seen.update([change] * bool(some))
    return found


def _follows(file: EditedFile, at: int, saying: Mapping[str, list[tuple[EditedFile, int]]]) -> Iterator[_Follows]:
    """What a hunk follows from: hunks of its own file, or else of one other file."""
    telling = [word for word in file.changed[at].telling if len(saying[word]) <= MOST_SAYING]
    by: dict[EditedFile, set[int]] = defaultdict(set)
    for word in telling:
        for told, other in saying[word]:
            if told.language == file.language and (told is not file or other != at):
                by[told].add(other)
    for told in sorted(by, key=lambda told: (told is not file, told.path)):
        speaking = tuple(other for other in sorted(by[told]) if _speaks(told, other, file, at))
        if speaking:
            yield _Follows(file, at, told, speaking)
            return


def _speaks(told: EditedFile, other: int, file: EditedFile, at: int) -> bool:
    hunk = file.hunks[at]
    near = {
        word for line in file.lines[max(0, hunk.start - WINDOW_LINES) : hunk.end + WINDOW_LINES] for word in words(line)
    }
    near.update(words("".join(told.hunks[other].lines)))
    return follows(file.changed[at], told.changed[other], near)


def _is_wanted(file: EditedFile, at: int) -> bool:
    """Whether lines come in the place of few others, and not comments alone."""
    hunk = file.hunks[at]
    if not 0 < len(hunk.lines) <= MOST_LINES or hunk.end - hunk.start > MOST_LINES or not file.is_small(at):
        return False
    return any(line.strip() and not line.lstrip().startswith(_COMMENTS) for line in hunk.lines)


def _lessons(one: _Follows, chance: random.Random) -> Iterator[Lesson]:
    """The window that changes, if it is to, and some that do not."""
    made = [chance.choice(one.by)]
    likely = [by for by in one.by if by not in made]
    others = [by for by in range(len(one.told.hunks)) if by not in (*one.by, *made) and one.told.is_small(by)]
    for _ in range(chance.randint(0, MOST_HUNKS - 1)):
        pool = others if chance.random() < OTHERS_TOO or not likely else likely
        pool = [by for by in pool if by not in made and (one.told is not one.file or by != one.hunk)]
        if pool:
            made.insert(0, chance.choice(pool))
    is_same = one.told is one.file
    others_wanted = [at for at in likely if is_same and at not in made and _is_wanted(one.file, at)]
    is_over = chance.random() < NOTHING
    done = set(made)
    if is_over and is_same:  # what follows is done, too, and was so before
        done |= {one.hunk, *one.by}
    told = Version.of(one.told, done)
    version = told if is_same else Version.of(one.file, {one.hunk} if is_over else set())
    asked = _Asked(told, version, _hunks_told(one.told, told, made))
    if not is_over:
        yield from asked.changed([one.hunk, *others_wanted], {one.hunk, *one.by}, chance)
    yield from asked.unchanged(chance.choice(UNCHANGED), chance)


def _hunks_told(file: EditedFile, version: Version, made: Sequence[int]) -> tuple[diff_api.Hunk, ...]:
    """As the user made them, the last one last."""
    return tuple(
        diff_api.Hunk(
            line=max(0, start - ABOVE_HUNK) + 1,
            above=tuple(version.lines[max(0, start - ABOVE_HUNK) : start]),
            removed=tuple(file.lines[hunk.start : hunk.end]),
            added=hunk.lines,
        )
        for hunk, start in ((file.hunks[at], version.made[at]) for at in made)
    )


class _Asked:
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
