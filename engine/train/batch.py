"""One window's gaps as tensors: canvases of one length side by side, part of each known, the rest noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.train.gaps import TrainingGap, Window

LENGTHS = (8, 16, 32, 64)
# How often a gap gets the shortest canvas that holds it; else the next longer or shorter one. A hole that is longer
# than its canvas has no end in it.
FITTING, LONGER = 0.75, 0.1
FROM_A_POINT = 0.85  # masks that hide everything from a point on; others hide tokens at random
ALL_HIDDEN = 0.5  # of those from a point: the point is the first token
AFTER_THE_END = 0.2  # positions after the end of the hole that are learned at all ...
AFTER_WEIGHT = 0.03  # ... and how much they count
READ_TOO = 0.3  # how often a gap is read from the left although it is not the longest of its right cut
FIRST_WEIGHT = 2.0  # the leftmost hidden position


@dataclass(frozen=True)
class Group:
    """Canvases of one length. Every tensor's first dimension is `canvases`."""

    anchors: Tensor  # [canvases]: entry of the window's ids, sink included, that each stands after
    suffixes: Tensor  # [canvases]: which of the window's suffixes
    tokens: Tensor  # [canvases, length]: what they should hold; end-of-hole from the hole's end on
    known: Tensor  # bool [canvases, length]
    weights: Tensor  # [canvases, length]: how much a position counts in the loss; 0 for those that are known
    ends: Tensor  # [canvases]: position of the hole's end; `length` where it has none in the canvas
    from_left: Tensor  # bool [canvases]: known tokens see only known ones left of them, as in a draft
    read: bool = False  # nothing is noise: these are drafts, and every token is predicted from those before it

    @property
    def length(self) -> int:
        return self.tokens.shape[1]


@dataclass(frozen=True)
class Batch:
    window: Window
    groups: tuple[Group, ...]

    @property
    def gaps(self) -> int:
        return sum(len(group.anchors) for group in self.groups if not group.read)


def batch(window: Window, end: int, chance: random.Random) -> Batch:
    """`end` is the end-of-hole token."""
    denoised: dict[int, list[TrainingGap]] = {}
    for gap in window.gaps:
        denoised.setdefault(_length(len(gap.tokens), chance), []).append(gap)
    read: dict[int, list[TrainingGap]] = {}
    for gap in _read(window.gaps, chance):
        read.setdefault(LENGTHS[min(_fitting(len(gap.tokens)), len(LENGTHS) - 1)], []).append(gap)
    return Batch(
        window,
        (
            *(_group(gaps, length, end, chance) for length, gaps in sorted(denoised.items())),
            *(_readings(gaps, length, end) for length, gaps in sorted(read.items())),
        ),
    )


def _read(gaps: Sequence[TrainingGap], chance: random.Random) -> list[TrainingGap]:
    """Of the gaps that share a right cut the longest, which says again what shorter ones say, and some of these."""
    longest: dict[int, TrainingGap] = {}
    for gap in gaps:
        if gap.suffix not in longest or len(gap.tokens) > len(longest[gap.suffix].tokens):
            longest[gap.suffix] = gap
    return [gap for gap in gaps if gap is longest[gap.suffix] or chance.random() < READ_TOO]


def _length(tokens: int, chance: random.Random) -> int:
    fitting = _fitting(tokens)
    drawn = chance.random()
    other = 0 if drawn < FITTING else 1 if drawn < FITTING + LONGER else -1
    return LENGTHS[min(max(fitting + other, 0), 2 if fitting < 3 else 3)]


def _fitting(tokens: int) -> int:
    return next((rank for rank, length in enumerate(LENGTHS) if length > tokens), len(LENGTHS) - 1)


def _group(gaps: Sequence[TrainingGap], length: int, end: int, chance: random.Random) -> Group:
    ends = [min(len(gap.tokens), length) for gap in gaps]
    tokens = [[*gap.tokens[:length], *[end] * (length - stop)] for gap, stop in zip(gaps, ends, strict=True)]
    known, from_left = zip(*[_known(stop, length, chance) for stop in ends], strict=True)
    weights = [_weights(row, stop, chance) for row, stop in zip(known, ends, strict=True)]
    return Group(
        anchors=torch.tensor([gap.left for gap in gaps]),  # the sink before the window makes it the last one before
        suffixes=torch.tensor([gap.suffix for gap in gaps]),
        tokens=torch.tensor(tokens),
        known=torch.tensor(known),
        weights=torch.tensor(weights),
        ends=torch.tensor(ends),
        from_left=torch.tensor(from_left),
    )


def _readings(gaps: Sequence[TrainingGap], length: int, end: int) -> Group:
    ends = torch.tensor([min(len(gap.tokens), length) for gap in gaps])
    tokens = [[*gap.tokens[:length], *[end] * (length - len(gap.tokens))] for gap in gaps]
    given = torch.ones(len(gaps), length, dtype=torch.bool)
    return Group(
        anchors=torch.tensor([gap.left for gap in gaps]),
        suffixes=torch.tensor([gap.suffix for gap in gaps]),
        tokens=torch.tensor(tokens),
        known=given,
        weights=(torch.arange(length) <= ends[:, None]).float(),
        ends=ends,
        from_left=torch.ones(len(gaps), dtype=torch.bool),
        read=True,
    )


def _known(stop: int, length: int, chance: random.Random) -> tuple[list[bool], bool]:
    """Which positions are given, and whether they are all left of what is not. The end and what follows it never are
    given: ends are found from the left."""
    if chance.random() < FROM_A_POINT:
        point = 0 if chance.random() < ALL_HIDDEN else chance.randint(0, min(stop, length - 1))
        return [at < point for at in range(length)], True
    rate = chance.random()
    return [at < stop and at < length - 1 and chance.random() < rate for at in range(length)], False


def _weights(known: Sequence[bool], stop: int, chance: random.Random) -> list[float]:
    first = list(known).index(False)
    weights = [0.0 if given else 1.0 for given in known]
    for at in range(stop + 1, len(known)):
        weights[at] = AFTER_WEIGHT / AFTER_THE_END if chance.random() < AFTER_THE_END else 0.0
    weights[first] = FIRST_WEIGHT
    return weights
