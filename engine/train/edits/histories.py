"""Histories: some hunks of a release are made in a file, and windows of it or of another file stand as they are then.

What a release has for a window is what should follow, where the hunks that were made speak for it; in most windows
nothing follows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from lacuna.engine import diff_api
from lacuna.engine.diff_api import ABOVE_HUNK, MOST_HUNKS
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits.edited_file import EditedFile, Version
from lacuna.engine.train.edits.following import Follows, found, is_wanted, made_up
from lacuna.engine.train.edits.lesson_windows import Asked, Lesson

MOST_OF_FILE = 60  # hunks of a file; one with more was written anew
ANY = 0.25  # of the histories: any hunks, after which nothing is to follow
MADE_UP = 0.7  # of the others
OVER = 0.15  # of the others, in which all that followed is done
UNCHANGED, STAY = (0, 1, 1), 2  # windows that stay, beside those that change, and where none does
OTHERS_TOO = 0.3  # how often a hunk is told that has nothing to do with what follows
MOST_OF_RELEASE = 30  # what it counts at most, so that no package takes over
_DRAWN = 8  # until there is something to learn
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Release:
    files: list[EditedFile]  # those with hunks that can be told
    follows: list[Follows]


class Histories:
    """Which history has which number, by a seed."""

    def __init__(self, files: Iterable[ChangedFile], seed: int) -> None:
        self._seed, seen = seed, set[tuple[object, ...]]()
        releases = [_release(group, seen) for _, group in groupby(files, key=lambda file: (file.package, file.newer))]
        self._edited = [release.files for release in releases if release.files]
        self._follows = [release.follows for release in releases if release.follows]
        if not self._follows:
            raise ValueError("there is nothing to learn next edits from")

    def __len__(self) -> int:
        """How many hunks follow from others."""
        return sum(map(len, self._follows))

    def history(self, number: int) -> list[Lesson]:
        """Windows after the same hunks, the same in every run; none where none could be cut."""
        chance = random.Random(f"{self._seed}/{number}")
        is_any, is_made_up = chance.random() < ANY, chance.random() < MADE_UP
        for _ in range(_DRAWN):
            if is_any:
                lessons = list(_after_any(_drawn(self._edited, chance), chance))
            else:
                lessons = _after_telling(_drawn(self._follows, chance), is_made_up, chance)
            if lessons:
                return lessons
        return []


def _release(files: Iterable[ChangedFile], seen: set[tuple[object, ...]]) -> _Release:
    """But for changes that were seen before."""
    edited = [file for file in map(EditedFile, files) if len(file.hunks) <= MOST_OF_FILE]
    return _Release([file for file in edited if file.small], found(edited, seen))


def _drawn(releases: Sequence[Sequence[_T]], chance: random.Random) -> _T:
    sizes = [min(len(release), MOST_OF_RELEASE) for release in releases]
    return chance.choice(chance.choices(releases, sizes)[0])


def _after_any(file: EditedFile, chance: random.Random) -> Iterator[Lesson]:
    """Windows that stay after some hunks as they come in a file, whether or not they say anything of others: most
    edits do not. The file is as it was released, or the hunks below them are still to come."""
    last = chance.randrange(len(file.small)) + 1
    made = file.small[max(0, last - chance.randint(1, MOST_HUNKS)) : last]
    is_released = chance.random() < 0.5
    version = Version.of(file, set(range(len(file.hunks) if is_released else made[-1] + 1)))
    yield from Asked(version, version, _hunks_told(file, version, made)).unchanged(STAY, chance)


def _after_telling(one: Follows, is_made_up: bool, chance: random.Random) -> list[Lesson]:
    """Windows after hunks from which others can be foreseen, of a release or of an edit that is made up in its file."""
    if not is_made_up:
        return list(_lessons(one, chance))
    edited = one.file.made_up(chance)
    follows = None if edited is None else made_up(edited, chance)
    return [] if follows is None else list(_lessons(follows, chance))


def _lessons(one: Follows, chance: random.Random) -> Iterator[Lesson]:
    """The windows that change, if any is to, and some that do not."""
    made = [chance.choice(one.by)]
    likely = [by for by in one.by if by not in made]
    others = [by for by in one.told.small if by not in (*one.by, *made)]
    for _ in range(chance.randint(0, MOST_HUNKS - 1)):
        pool = others if chance.random() < OTHERS_TOO or not likely else likely
        pool = [by for by in pool if by not in made and (one.told is not one.file or by != one.hunk)]
        if pool:
            made.insert(0, chance.choice(pool))
    is_same, is_over, done = one.told is one.file, chance.random() < OVER, set(made)
    if is_over and is_same:  # what follows is done, too, and was so before
        done |= {one.hunk, *one.by}
    told = Version.of(one.told, done)
    version = told if is_same else Version.of(one.file, {one.hunk} if is_over else set())
    asked = Asked(told, version, _hunks_told(one.told, told, made))
    if not is_over:
        others_wanted = [at for at in likely if is_same and at not in made and is_wanted(one.file, at)]
        yield from asked.changed([one.hunk, *others_wanted], {one.hunk, *one.by}, chance)
    yield from asked.unchanged(STAY if is_over else chance.choice(UNCHANGED), chance)


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
