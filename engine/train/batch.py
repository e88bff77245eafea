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
FIRST_WEIGHT = 2.0  # the leftmost hidden position


@dataclass(frozen=True)
class Group:
    """Canvases of one length. Every tensor's first dimension is `canvases`."""

    anchors: Tensor  # [canvases]: entry of the window's ids, sink included, that each stands after
    suffixes: Tensor  # [canvases]: which of the window's suffixes
    tokens: Tensor  # [canvases, length]: what they should hold; end-of-hole from the hole's end on
    known: Tensor  # bool [canvases, length]
    weights: Tensor  # [canvases, length]: how much a position counts in the loss; 0 for those that are known
    base_knows: Tensor  # bool [canvases, length]: the base's own read of the window says what it expects there
    ends: Tensor  # [canvases]: position of the hole's end; `length` where it has none in the canvas
    all_hidden: Tensor  # bool [canvases]

    @property
    def length(self) -> int:
        return self.tokens.shape[1]


@dataclass(frozen=True)
class Batch:
    window: Window
    groups: tuple[Group, ...]

    @property
    def gaps(self) -> int:
        return sum(len(group.anchors) for group in self.groups)


def batch(window: Window, end: int, chance: random.Random) -> Batch:
    """`end` is the end-of-hole token."""
    by_length: dict[int, list[TrainingGap]] = {}
    for gap in window.gaps:
        by_length.setdefault(_length(len(gap.tokens), chance), []).append(gap)
    return Batch(window, tuple(_group(gaps, length, end, chance) for length, gaps in sorted(by_length.items())))


def _length(tokens: int, chance: random.Random) -> int:
    fitting = next((rank for rank, length in enumerate(LENGTHS) if length > tokens), len(LENGTHS) - 1)
    drawn = chance.random()
    other = 0 if drawn < FITTING else 1 if drawn < FITTING + LONGER else -1
    return LENGTHS[min(max(fitting + other, 0), 2 if fitting < 3 else 3)]


def _group(gaps: Sequence[TrainingGap], length: int, end: int, chance: random.Random) -> Group:
    ends = [min(len(gap.tokens), length) for gap in gaps]
    tokens = [[*gap.tokens[:length], *[end] * (length - stop)] for gap, stop in zip(gaps, ends, strict=True)]
    known = [_known(stop, length, chance) for stop in ends]
    weights = [_weights(row, stop, chance) for row, stop in zip(known, ends, strict=True)]
    knows = [[at <= min(gap.from_document, stop) for at in range(length)] for gap, stop in zip(gaps, ends, strict=True)]
    return Group(
        anchors=torch.tensor([gap.left for gap in gaps]),  # the sink before the window makes it the last one before
        suffixes=torch.tensor([gap.suffix for gap in gaps]),
        tokens=torch.tensor(tokens),
        known=torch.tensor(known),
        weights=torch.tensor(weights),
        base_knows=torch.tensor(knows),
        ends=torch.tensor(ends),
        all_hidden=torch.tensor([not any(row) for row in known]),
    )


def _known(stop: int, length: int, chance: random.Random) -> list[bool]:
    """Which positions are given. The end and what follows it never are: ends are found from the left."""
    if chance.random() < FROM_A_POINT:
        point = 0 if chance.random() < ALL_HIDDEN else chance.randint(0, min(stop, length - 1))
        return [at < point for at in range(length)]
    rate = chance.random()
    return [at < stop and at < length - 1 and chance.random() < rate for at in range(length)]


def _weights(known: Sequence[bool], stop: int, chance: random.Random) -> list[float]:
    first = list(known).index(False)
    weights = [0.0 if given else 1.0 for given in known]
    for at in range(stop + 1, len(known)):
        weights[at] = AFTER_WEIGHT / AFTER_THE_END if chance.random() < AFTER_THE_END else 0.0
    weights[first] = FIRST_WEIGHT
    return weights
