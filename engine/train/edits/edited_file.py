"""A file of a release, and how it is with some of its hunks made."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

from lacuna.engine.diff_api import LONGEST_LINE, MOST_HUNK_CHARS
from lacuna.engine.text.lines import lines_of
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits.hunks import ChangedWords, Hunk, changed_words, hunks
from lacuna.engine.train.edits.made_up.forms_changed import with_a_form_changed
from lacuna.engine.train.edits.made_up.names_introduced import without_a_name
from lacuna.engine.train.edits.made_up.renames import renamed

RENAMED, INTRODUCED = 0.25, 0.35  # of the made-up edits: a name becomes another one, or one comes or goes
NAMES_COME, UNDONE = 0.75, 0.2  # of the made-up edits that take a name out, and of the others: those done backwards


class EditedFile:
    """A file of the older release, and its hunks."""

    def __init__(self, file: ChangedFile) -> None:
        self.path, self.language = file.path, file.language
        self.lines = lines_of(file.before)
        self.hunks = hunks(self.lines, lines_of(file.after))

    def made_up(self, chance: random.Random) -> EditedFile | None:
        """The same file with an edit that nobody made instead; None where none can be thought of."""
        drawn = chance.random()
        if drawn < RENAMED:
            changed = renamed(self.lines, chance)
        elif drawn < RENAMED + INTRODUCED:
            changed = without_a_name(self.lines, chance)
        else:
            changed = with_a_form_changed(self.lines, self.language, chance)
        if changed is None:
            return None
        before, after = self.lines, changed
        if chance.random() < (NAMES_COME if RENAMED < drawn < RENAMED + INTRODUCED else UNDONE):
            before, after = after, before
        return EditedFile(ChangedFile("", "", "", "", self.language, self.path, "".join(before), "".join(after)))

    @cached_property
    def changed(self) -> list[ChangedWords]:
        """Per hunk."""
        return [changed_words(self.lines[one.start : one.end], one.lines) for one in self.hunks]

    @cached_property
    def small(self) -> list[int]:
        """The hunks that can be told, or asked for."""
        return [at for at in range(len(self.hunks)) if self._is_small(at)]

    def _is_small(self, at: int) -> bool:
        removed, added = self.lines[self.hunks[at].start : self.hunks[at].end], self.hunks[at].lines
        some = [*removed, *added]
        longest = max(len("".join(removed)), len("".join(added)))
        return max(map(len, some)) <= LONGEST_LINE and longest <= MOST_HUNK_CHARS


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
