"""A question about a diff in tokens: the user's hunks, made and not made, and behind them the lines of a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lacuna.engine.diff_api import DiffQuestion
from lacuna.engine.families.shared import diff_text
from lacuna.engine.families.shared.diff_text import STAYS
from lacuna.engine.text.byte_bpe import Tokenizer

MOST_TOKENS = 120  # of the lines of a window
HEAD_TOKENS = 360  # of what stands before them


@dataclass(frozen=True)
class DiffPrompt:
    """The lines of a window, as the diff has lines that stay, and what stands before and behind them, in tokens."""

    text: tuple[str, ...]
    lines: tuple[list[int], ...]
    related: tuple[int, ...]
    least_gain: float
    made: list[int]  # what stands before them
    unmade: list[int]
    closed: list[int]  # what stands behind them

    @staticmethod
    def of(question: DiffQuestion, tokenizer: Tokenizer) -> DiffPrompt | None:
        """With as many of the last hunks as fit; None where not even the last one does."""
        encode = tokenizer.encode
        lines, size = list[list[int]](), 0
        for line in question.lines:
            ids = encode(STAYS + line)
            size += len(ids)
            if size > MOST_TOKENS:
                break
            lines.append(ids)
        is_whole = len(lines) == len(question.lines)
        behind = "@@ " if is_whole else STAYS + question.lines[len(lines)]
        told = len(question.hunks) + (question.unfinished is not None)  # which is a hunk of its own
        for hunks in (question.hunks[first:] for first in range(told)):
            some = replace(question, hunks=hunks, lines=question.lines[: len(lines)])
            made, unmade = (
                [token for line in text for token in encode(line)]
                for text in (diff_text.made(some), diff_text.unmade(some))
            )
            if max(len(made), len(unmade)) <= HEAD_TOKENS:
                return DiffPrompt(
                    question.lines[: len(lines)],
                    tuple(lines),
                    question.related,
                    question.least_gain,
                    made,
                    unmade,
                    encode(behind),
                )
        return None

    def behind(self, end: int) -> list[int]:
        """The line that stays behind a change, or what is behind the last one."""
        return self.lines[end] if end < len(self.lines) else self.closed
