"""Which hunks of a release can be foreseen from others."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lacuna.engine.diff_api import WINDOW_LINES
from lacuna.engine.train.edits.edited_file import EditedFile
from lacuna.engine.train.edits.hunks import Hunk, follows, shape, words

MOST_LINES = 6  # that go, or come, at once
BESIDE, LIKE = 3, 0.7  # lines around one that comes, and how like one of them it must be in shape
MOST_MADE_UP = (3, 5)  # lines, and words that come or go: more of a made-up edit cannot be foreseen
MOST_SAYING = 100  # hunks of a release that change the same word: no one of them says anything of another
_COMMENTS = ("#", "//", "/*", "*", '"""')


@dataclass(frozen=True)
class Follows:
    """A hunk, and those of one file that speak for it."""

    file: EditedFile
    hunk: int
    told: EditedFile
    by: tuple[int, ...]


def made_up(file: EditedFile, chance: random.Random) -> Follows | None:
    """One of the places of an edit that is made up, after others; None where it cannot be foreseen."""
    if len(file.hunks) < 2 or len(file.small) < len(file.hunks):
        return None
    hunk = chance.randrange(len(file.hunks))
    others = tuple(at for at in range(len(file.hunks)) if at != hunk and _speaks(file, at, file, hunk))
    is_short = len(file.hunks[hunk].lines) <= MOST_MADE_UP[0] and file.changed[hunk].count <= MOST_MADE_UP[1]
    is_foreseen = is_short and is_wanted(file, hunk) and _has_models(file, file.hunks[hunk])
    return Follows(file, hunk, file, others) if others and is_foreseen else None


def found(files: Sequence[EditedFile], seen: set[tuple[object, ...]]) -> list[Follows]:
    """The hunks of a release that follow from others, those of the same file first; but for changes that were seen
    before."""
    saying: dict[str, list[tuple[EditedFile, int]]] = defaultdict(list)
    for file in files:
        for at in file.small:
            for word in file.changed[at].telling:
                saying[word].append((file, at))
    follow = []
    for file in files:
        for at, hunk in enumerate(file.hunks):
            change = (tuple(file.lines[hunk.start : hunk.end]), hunk.lines)
            if change not in seen and is_wanted(file, at):
                some = list(_follows(file, at, saying))
                follow += some
                seen.update([change] * bool(some))
    return follow


def is_wanted(file: EditedFile, at: int) -> bool:
    """Whether lines come in the place of few others, and not comments alone."""
    hunk = file.hunks[at]
    if not 0 < len(hunk.lines) <= MOST_LINES or hunk.end - hunk.start > MOST_LINES or at not in file.small:
        return False
    return any(line.strip() and not line.lstrip().startswith(_COMMENTS) for line in hunk.lines)


def _follows(file: EditedFile, at: int, saying: Mapping[str, list[tuple[EditedFile, int]]]) -> Iterator[Follows]:
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
            yield Follows(file, at, told, speaking)
            return


def _speaks(told: EditedFile, other: int, file: EditedFile, at: int) -> bool:
    hunk = file.hunks[at]
    near = {
        word for line in file.lines[max(0, hunk.start - WINDOW_LINES) : hunk.end + WINDOW_LINES] for word in words(line)
    }
    near.update(words("".join(told.hunks[other].lines)))
    return follows(file.changed[at], told.changed[other], near)


def _has_models(file: EditedFile, hunk: Hunk) -> bool:
    """Whether each line that comes is like one beside it, or like one that goes: others cannot be foreseen."""
    near = {shape(line) for line in file.lines[max(0, hunk.start - BESIDE) : hunk.end + BESIDE]}
    return all(any(_is_like(shape(line), other) for other in near) for line in hunk.lines)


def _is_like(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= LIKE
