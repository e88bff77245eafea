"""The windows of a history as tensors: a run of rows for each, behind the hunks that all of them follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from lacuna.engine.families.gap.edits import edit_prompt
from lacuna.engine.families.gap.edits.edit_prompt import EditWindow
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.train.edits.lesson_windows import Lesson
from lacuna.engine.train.fim_batch import Rows, Run

LONGEST = 220  # tokens of a window as it will be


@dataclass(frozen=True)
class EditBatch:
    """One history."""

    rows: Rows
    learned: Tensor  # [tokens]: the row that predicts each token of the windows as they will be
    tokens: Tensor  # [tokens]
    runs: Tensor  # [tokens]: the run of each
    changes: Tensor  # bool [runs]: those whose window changes

    def to(self, device: str) -> EditBatch:
        """The same tensors elsewhere."""
        others = (self.learned, self.tokens, self.runs, self.changes)
        return EditBatch(self.rows.to(device), *(tensor.to(device) for tensor in others))


@dataclass(frozen=True)
class _Run:
    ids: list[int]
    written: int  # the entry of `ids` at which the window as it will be begins
    changes: bool


def batch(lessons: Sequence[Lesson], tokenizer: Tokenizer) -> EditBatch | None:
    """None where nothing fits."""
    windows = [(lesson, EditWindow.of(lesson.question, tokenizer)) for lesson in lessons]
    told = next((window.told for _, window in windows if window is not None), [])
    runs = [
        run
        for lesson, window in windows
        if window is not None and window.told == told and (run := _run(lesson, window, tokenizer))
    ]
    return _tensors(told, runs) if runs else None


def _run(lesson: Lesson, window: EditWindow, tokenizer: Tokenizer) -> _Run | None:
    """None where what is to change did not fit."""
    ids, wanted = [window.told[-1], *window.opened], lesson.wanted
    if wanted is None:
        return _Run([*ids, *window.copied], len(ids), False)
    if wanted.end > len(window.text):
        return None
    lines = (*window.text[: wanted.start], *wanted.lines, *window.text[wanted.end :])
    written = edit_prompt.written(lines, tokenizer)
    return _Run([*ids, *written], len(ids), True) if len(written) <= LONGEST else None


def _tensors(told: list[int], runs: Sequence[_Run]) -> EditBatch:
    prefix = told[:-1]  # the last token is the first of every run
    sizes = [len(run.ids) for run in runs]
    starts = [0, *accumulate(sizes)]
    learned = [
        (start + at - 1, run.ids[at], number)
        for number, (start, run) in enumerate(zip(starts, runs, strict=False))
        for at in range(run.written, len(run.ids))
    ]
    ids = torch.tensor([token for run in runs for token in run.ids])
    rows = Rows(
        prefix=torch.tensor(prefix),
        runs=tuple(Run(len(prefix) - 1, tuple(run.ids), 0, 0, ()) for run in runs),
        ids=ids,
        masked=torch.zeros(len(ids), dtype=torch.bool),
        positions=torch.cat([torch.arange(len(prefix), len(prefix) + size) for size in sizes]),
    )
    predicting, tokens, of = torch.tensor(learned).unbind(1)
    return EditBatch(rows, predicting, tokens, of, torch.tensor([run.changes for run in runs]))
