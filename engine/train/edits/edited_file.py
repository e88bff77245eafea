"""A file of a release, and how it is with some of its hunks made."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits.hunks import ChangedWords, Hunk, changed_words, hunks, lines_of
from lacuna.engine.train.edits.renames import renamed

MOST_CHARACTERS = 1200  # of a hunk's lines
LONGEST_LINE = 300  # characters: longer ones are data


class EditedFile:
    """A file of the older release, and its hunks."""

    def __init__(self, file: ChangedFile) -> None:
        self.path, self.language = file.path, file.language
        self.lines = lines_of(file.before)
        self.hunks = hunks(self.lines, lines_of(file.after))

    def renamed(self, chance: random.Random) -> EditedFile | None:
        """The same file with a name changed instead; None where there is none to change."""
        after = renamed(self.lines, chance)
        if after is None:
            return None
        text = "".join(self.lines)
        return EditedFile(ChangedFile("", "", "", "", self.language, self.path, text, "".join(after)))

    @cached_property
    def changed(self) -> list[ChangedWords]:
        """Per hunk."""
        return [changed_words(self.lines[one.start : one.end], one.lines) for one in self.hunks]

    def is_small(self, at: int) -> bool:
        """Whether a hunk can be told, or asked for."""
        removed, added = self.lines[self.hunks[at].start : self.hunks[at].end], self.hunks[at].lines
        some = [*removed, *added]
        return max(map(len, some)) <= LONGEST_LINE and max(map(len, ("".join(removed), "".join(added)))) <= (
            MOST_CHARACTERS
        )


@dataclass(frozen=True)
class Version:
    """A file with some of its hunks made."""

    path: str
    lines: list[str]
    made: dict[int, int]  # where each hunk that was made begins now
    left: list[tuple[int, Hunk]]  # the others, and their numbers; lines are counted as they are now

    @staticmethod
    def of(file: EditedFile, made: Set[int]) -> Version:
        lines, where, left, read = list[str](), dict[int, int](), list[tuple[int, Hunk]](), 0
        for at, hunk in enumerate(file.hunks):
            lines += file.lines[read : hunk.start]
            if at in made:
                where[at] = len(lines)
                lines += hunk.lines
            else:
                left.append((at, Hunk(len(lines), len(lines) + hunk.end - hunk.start, hunk.lines)))
                lines += file.lines[hunk.start : hunk.end]
            read = hunk.end
        return Version(file.path, lines + file.lines[read:], where, left)
