"""One window's gaps in the FIM layout, as tensors: a run of rows for each right cut.

A run is suffix marker, S, middle marker, T and the hole, which is one text: each of its tokens is what the model should
say behind those before it, so a run teaches every left cut of its hole at once, and that the hole ends at its right cut
and nowhere before. Behind some tokens stand masked positions, which predict what comes after the next one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.train.batch import Targets
from lacuna.engine.train.gaps import Shape, TrainingGap, Window

RUNS = 5  # of a window at most
AT_THE_CURSOR, AT_THE_LINE = 0.1, 0.15  # how often the split is right before the hole, or where its line begins
LINES = 12  # above that, at most, else
MIDDLE_TOKENS = 192  # of T and the hole
STRETCHES, STRETCH = 4, 6  # of masked positions: how many a run has at most, and how long they are
BEFORE = 0.25  # so many of T's tokens are learned too: they cost as much as those of the hole and teach less


@dataclass(frozen=True)
class Run:
    """One right cut."""

    split: int  # tokens of the window before T
    ids: tuple[int, ...]  # suffix marker, S, middle marker, T and the hole
    start: int  # where T begins among these
    hole: int  # where the hole does
    behind: tuple[int, ...]  # entries of `ids` that masked positions stand behind

    @property
    def rows(self) -> int:
        """The ids', and those of the masked positions."""
        return len(self.ids) + STRETCH * len(self.behind)


@dataclass(frozen=True)
class Rows:
    """A prefix and the runs behind it, one after the other."""

    prefix: Tensor  # [tokens]
    runs: tuple[Run, ...]
    ids: Tensor  # [rows]; 0 where a position is masked
    masked: Tensor  # bool [rows]
    positions: Tensor  # [rows]

    def to(self, device: str) -> Rows:
        """The same tensors elsewhere."""
        ids, masked, positions = (tensor.to(device) for tensor in (self.ids, self.masked, self.positions))
        return Rows(self.prefix.to(device), self.runs, ids, masked, positions)


@dataclass(frozen=True)
class FimBatch:
    """One window and its runs."""

    rows: Rows  # behind the prefix marker and the window up to the last split
    targets: Targets

    def to(self, device: str) -> FimBatch:
        """The same tensors elsewhere."""
        return FimBatch(self.rows.to(device), Targets(*(tensor.to(device) for tensor in vars(self.targets).values())))


def batch(window: Window, markers: Markers, tokenizer: Tokenizer, chance: random.Random) -> FimBatch | None:
    """None where nothing could be cut. Nothing is drawn of the base's own layouts but suffix before middle."""
    ends, others = _longest(window.gaps)
    drawn = [*ends, *chance.sample(others, max(0, min(RUNS - len(ends), len(others))))]
    starts = _line_starts(window.ids, tokenizer)
    runs = tuple(run for gap in drawn if (run := _run(window, gap, starts, markers, chance)) is not None)
    if not runs:
        return None
    read = max(run.split for run in runs)
    rows = Rows(
        prefix=torch.tensor([markers.prefix, *window.ids[:read]]),
        runs=runs,
        ids=torch.tensor([token for run in runs for token in (*run.ids, *[0] * (run.rows - len(run.ids)))]),
        masked=torch.tensor([at >= len(run.ids) for run in runs for at in range(run.rows)]),
        positions=torch.tensor([position for run in runs for position in _positions(run)]),
    )
    return FimBatch(rows, _targets(runs, markers.ends[0], chance))


def _longest(gaps: Sequence[TrainingGap]) -> tuple[list[TrainingGap], list[TrainingGap]]:
    """Of the gaps that share a right cut the one that begins first: it holds the others. Those at the file's end
    apart."""
    first: dict[int, TrainingGap] = {}
    for gap in gaps:
        if gap.suffix not in first or gap.left < first[gap.suffix].left:
            first[gap.suffix] = gap
    at_end = {gap.suffix for gap in gaps if gap.shape is Shape.FILE_END}
    longest = list(first.values())
    return [gap for gap in longest if gap.suffix in at_end], [gap for gap in longest if gap.suffix not in at_end]


def _line_starts(ids: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """How many tokens stand before each line that begins between two of them."""
    return [0, *(at for at, token in enumerate(ids, 1) if tokenizer.decode([token]).endswith(b"\n"))]


def _run(
    window: Window, gap: TrainingGap, starts: Sequence[int], markers: Markers, chance: random.Random
) -> Run | None:
    split = _split(gap, starts, chance)
    ahead = (markers.suffix, *window.suffixes[gap.suffix], *markers.middle)
    before = window.ids[split : gap.left]
    ids = (*ahead, *before, *gap.tokens)
    if len(before) + len(gap.tokens) > MIDDLE_TOKENS:
        return None
    hole = len(ahead) + len(before)
    # The token before the hole is the anchor: its stretch is the one that every fill begins with.
    places = range(hole, len(ids) - 1)
    behind = [hole - 1, *chance.sample(places, min(STRETCHES - 1, len(places)))]
    return Run(split, ids, len(ahead), hole, tuple(behind))


def _split(gap: TrainingGap, starts: Sequence[int], chance: random.Random) -> int:
    drawn = chance.random()
    above = [at for at in starts if at <= gap.left]
    if drawn < AT_THE_CURSOR:
        return gap.left
    lines = 0 if drawn < AT_THE_CURSOR + AT_THE_LINE else chance.randint(1, LINES)
    fitting = [at for at in above if gap.left - at + len(gap.tokens) <= MIDDLE_TOKENS]
    return fitting[max(0, len(fitting) - 1 - lines)] if fitting else gap.left


def _positions(run: Run) -> list[int]:
    first = 1 + run.split  # behind the prefix marker and P
    masked = [first + node + 1 + at for node in run.behind for at in range(STRETCH)]
    return [*range(first, first + len(run.ids)), *masked]


def _targets(runs: Sequence[Run], end: int, chance: random.Random) -> Targets:
    """What a row predicts: the entry after it, or of a masked position the one after that which it stands for."""
    rows: list[tuple[int, int, float, bool, bool, int]] = []  # row, token, weight, first, read, run
    base = 0
    for number, run in enumerate(runs):
        texts = (*run.ids, end)
        for at in range(run.start, len(texts)):
            is_hole = at >= run.hole
            if is_hole or chance.random() < BEFORE:
                rows.append((base + at - 1, texts[at], 1.0, False, is_hole, number))
        for rank, node in enumerate(run.behind):
            for at in range(STRETCH):
                if node + 2 + at < len(texts):
                    row = base + len(run.ids) + rank * STRETCH + at
                    rows.append((row, texts[node + 2 + at], 1.0, at == 0, False, number))
        base += run.rows
    where, tokens, weights, first, read, canvases = zip(*rows, strict=True)
    return Targets(
        rows=torch.tensor(where),
        tokens=torch.tensor(tokens),
        weights=torch.tensor(weights),
        first=torch.tensor(first),
        read=torch.tensor(read),
        canvases=torch.tensor(canvases),
        readings=torch.ones(len(runs), dtype=torch.bool),
    )
