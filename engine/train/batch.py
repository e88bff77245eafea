"""One window's gaps as tensors: canvases of one length side by side, part of each known, the rest noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.train.gaps import TrainingGap, Window

LENGTHS = (8, 16, 32, 64)
# How often a gap gets the shortest canvas that holds it; else the next longer or shorter one. A hole that is longer
# than its canvas has no end in it.
FITTING, LONGER = 0.75, 0.1
FROM_A_POINT = 0.85  # masks that hide everything from a point on; others hide tokens at random
ALL_HIDDEN = 0.5  # of those from a point: the point is the first token
AFTER = 8  # positions after the end of the hole of which ...
AFTER_THE_END = 0.2  # ... so many are learned ...
AFTER_WEIGHT = 0.03  # ... and how much all of them count
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
    from_left: Tensor  # bool [canvases]: known tokens see only known ones left of them, as in a draft
    read: Tensor  # bool [canvases]: nothing is noise: a draft, and every token is predicted from those before it

    @property
    def length(self) -> int:
        return self.tokens.shape[1]


@dataclass(frozen=True)
class Targets:
    """The positions of all groups that are learned."""

    rows: Tensor  # [positions]: the row of the canvas pass that predicts each
    tokens: Tensor  # [positions]
    weights: Tensor  # [positions]
    first: Tensor  # bool [positions]: the leftmost hidden one of a canvas
    read: Tensor  # bool [positions]: of a draft that is read
    canvases: Tensor  # [positions]: which canvas, counted over all groups
    readings: Tensor  # bool [canvases]: those that are drafts


@dataclass(frozen=True)
class Batch:
    """One window and all its canvases."""

    ids: Tensor  # [1 + tokens]: the sink and the window
    suffixes: Tensor  # [suffixes, 1 + tokens of the longest]: the sink, a suffix, and then sinks that nobody sees
    suffix_sizes: Tensor  # [suffixes], without the sink
    groups: tuple[Group, ...]
    rows: Tensor  # [needed]: the rows of the canvas pass that predict something, or that such a row sees; in order
    targets: Targets

    def tensors(self) -> list[Tensor]:
        inner = (tensor for part in (*self.groups, self.targets) for tensor in vars(part).values())
        return [self.ids, self.suffixes, self.suffix_sizes, self.rows, *inner]

    def to(self, device: str) -> Batch:
        """The same tensors elsewhere."""
        return Batch(
            self.ids.to(device),
            self.suffixes.to(device),
            self.suffix_sizes.to(device),
            tuple(Group(*(tensor.to(device) for tensor in vars(group).values())) for group in self.groups),
            self.rows.to(device),
            Targets(*(tensor.to(device) for tensor in vars(self.targets).values())),
        )


def batch(window: Window, sink: int, end: int, chance: random.Random, lengths: Sequence[int] = LENGTHS) -> Batch:
    """`end` is the end-of-hole token. A canvas has one of `lengths`; no position can tell which by what it sees."""
    denoised: dict[int, list[TrainingGap]] = {}
    for gap in window.gaps:
        denoised.setdefault(_length(len(gap.tokens), lengths, chance), []).append(gap)
    read: dict[int, list[TrainingGap]] = {}
    for gap in _read(window.gaps, chance):
        read.setdefault(lengths[_fitting(len(gap.tokens), lengths)], []).append(gap)
    groups = tuple(
        _group(denoised.get(length, []), read.get(length, []), length, end, chance)
        for length in sorted({*denoised, *read})
    )
    sizes = [len(suffix) for suffix in window.suffixes]
    return Batch(
        ids=torch.tensor([sink, *window.ids]),
        suffixes=torch.tensor([[sink, *suffix, *[sink] * (max(sizes) - len(suffix))] for suffix in window.suffixes]),
        suffix_sizes=torch.tensor(sizes),
        groups=groups,
        rows=torch.cat([_needed(group).flatten() for group in groups]).nonzero().flatten(),
        targets=targets(groups),
    )


def targets(groups: Sequence[Group]) -> Targets:
    """Group after group, in the order of the canvas pass' rows."""
    rows, canvases, start, count = [], [], 0, 0
    for group in groups:
        canvas, at = (group.weights > 0).nonzero(as_tuple=True)
        rows.append(start + canvas * (1 + group.length) + at)  # row i of a canvas predicts its position i
        canvases.append(count + canvas)
        start, count = start + len(group.anchors) * (1 + group.length), count + len(group.anchors)
    learned = [group.weights > 0 for group in groups]
    first = [~group.known & ((~group.known).cumsum(1) == 1) for group in groups]
    read = [group.read[:, None].expand(-1, group.length) for group in groups]
    return Targets(
        rows=torch.cat(rows),
        tokens=torch.cat([group.tokens[chosen] for group, chosen in zip(groups, learned, strict=True)]),
        weights=torch.cat([group.weights[chosen] for group, chosen in zip(groups, learned, strict=True)]),
        first=torch.cat([which[chosen] for which, chosen in zip(first, learned, strict=True)]),
        read=torch.cat([which[chosen] for which, chosen in zip(read, learned, strict=True)]),
        canvases=torch.cat(canvases),
        readings=torch.cat([group.read for group in groups]),
    )


def _needed(group: Group) -> Tensor:
    """bool [canvases, 1 + length]: rows that count. Of the corpus' windows they are 71 %: the others are noise that is
    not learned, and what stands right of all that is."""
    predicts = functional.pad(group.weights > 0, (0, 1))  # row i of a canvas predicts its position i, the last nothing
    places = torch.arange(1 + group.length)
    last = (predicts * places).amax(1, keepdim=True)
    seen = functional.pad(group.known, (1, 0), value=True) & ((places <= last) | ~group.from_left[:, None])
    return predicts | seen


def _read(gaps: Sequence[TrainingGap], chance: random.Random) -> list[TrainingGap]:
    """Of the gaps that share a right cut the longest, which says again what shorter ones say, and some of these."""
    longest: dict[int, TrainingGap] = {}
    for gap in gaps:
        if gap.suffix not in longest or len(gap.tokens) > len(longest[gap.suffix].tokens):
            longest[gap.suffix] = gap
    return [gap for gap in gaps if gap is longest[gap.suffix] or chance.random() < READ_TOO]


def _length(tokens: int, lengths: Sequence[int], chance: random.Random) -> int:
    fitting, longest = _fitting(tokens, lengths), len(lengths) - 1
    drawn = chance.random()
    other = 0 if drawn < FITTING else 1 if drawn < FITTING + LONGER else -1
    # The longest canvas costs most: only what does not fit the others gets it.
    return lengths[min(max(fitting + other, 0), max(fitting, longest - 1))]


def _fitting(tokens: int, lengths: Sequence[int]) -> int:
    return next((rank for rank, length in enumerate(lengths) if length > tokens), len(lengths) - 1)


def _group(
    denoised: Sequence[TrainingGap], read: Sequence[TrainingGap], length: int, end: int, chance: random.Random
) -> Group:
    gaps = [*denoised, *read]
    ends = [min(len(gap.tokens), length) for gap in gaps]
    tokens = [[*gap.tokens[:length], *[end] * (length - stop)] for gap, stop in zip(gaps, ends, strict=True)]
    masks = [_known(stop, length, chance) for stop in ends[: len(denoised)]]
    weights = [_weights(known, stop, chance) for (known, _), stop in zip(masks, ends, strict=False)]
    readings = ends[len(denoised) :]
    return Group(
        anchors=torch.tensor([gap.left for gap in gaps]),  # the sink before the window makes it the last one before
        suffixes=torch.tensor([gap.suffix for gap in gaps]),
        tokens=torch.tensor(tokens),
        known=torch.tensor([*(known for known, _ in masks), *([True] * length for _ in readings)]),
        weights=torch.tensor([*weights, *([float(at <= stop) for at in range(length)] for stop in readings)]),
        from_left=torch.tensor([*(from_left for _, from_left in masks), *(True for _ in readings)]),
        read=torch.tensor([False] * len(denoised) + [True] * len(read)),
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
    for at in range(stop + 1, min(stop + 1 + AFTER, len(known))):
        weights[at] = AFTER_WEIGHT / AFTER_THE_END if chance.random() < AFTER_THE_END else 0.0
    weights[first] = FIRST_WEIGHT
    return weights
