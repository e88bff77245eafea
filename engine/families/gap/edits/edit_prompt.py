"""What an edits adapter reads and writes, in tokens: the user's hunks, a window as it stands, and the window as it will
be.

    diff --git a/PATH b/PATH
    ...                        the user's hunks, as a unified diff has them
    @@ -12,9 +12,9 @@
     lines above the window
    -lines of the window       all of them
    +lines of the window       as they will be; those that stay are the same
    @@
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lacuna.engine.diff_api import DiffQuestion
from lacuna.engine.families.shared import diff_text
from lacuna.engine.families.shared.diff_text import COMES, GOES
from lacuna.engine.text.byte_bpe import Tokenizer

MOST_TOKENS = 128  # of the lines of a window
TOLD_TOKENS = 360  # of the user's hunks
OPENED_TOKENS = 200  # of what stands between these and the window as it will be
ENDS = "@@"  # behind the lines as they will be


@dataclass(frozen=True)
class EditWindow:
    """The lines of a window behind the user's hunks."""

    told: list[int]
    opened: list[int]  # the head of the window's hunk, the lines that stand above, and those of the window
    copied: list[int]  # the lines as they would be written if nothing changed, with the end
    text: tuple[str, ...]  # the lines

    @staticmethod
    def of(question: DiffQuestion, tokenizer: Tokenizer) -> EditWindow | None:
        """With as many of the last hunks as fit; None where not even the last one does, no line does, or what stands
        above is too long."""
        gone, count = list[int](), 0
        for line in question.lines:
            ids = tokenizer.encode(GOES + line)
            if len(gone) + len(ids) > MOST_TOKENS:
                break
            gone += ids
            count += 1
        told = _told(question, tokenizer)
        if not count or told is None:
            return None
        some = replace(question, lines=question.lines[:count])
        opened = [*_encoded(diff_text.opened(some), tokenizer), *gone]
        if len(opened) > OPENED_TOKENS:
            return None
        return EditWindow(told, opened, written(some.lines, tokenizer), some.lines)


def written(lines: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """The lines of a window as they will be, with the end."""
    return [*_encoded([COMES + line for line in lines], tokenizer), tokenizer.encode(ENDS)[0]]


def _told(question: DiffQuestion, tokenizer: Tokenizer) -> list[int] | None:
    """As many of the last hunks as fit; None where not even the last one does."""
    for first in range(len(question.hunks)):
        told = _encoded(diff_text.told(replace(question, hunks=question.hunks[first:])), tokenizer)
        if len(told) <= TOLD_TOKENS:
            return told
    return None


def _encoded(lines: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    return [token for line in lines for token in tokenizer.encode(line)]
