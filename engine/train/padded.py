"""Batches of one shape: a GPU replays one captured pass for all of them (captured.py)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.train.batch import Batch, Group, Targets, targets


@dataclass(frozen=True)
class Capacity:
    """How much of everything a batch holds: 99 % of 400 windows of up to 512 tokens of the corpus had no more of each.
    What is beyond it is left out."""

    tokens: int = 1024
    suffixes: int = 9
    suffix_tokens: int = 64
    canvases: tuple[tuple[int, int], ...] = ((16, 74), (64, 36))  # their length, and how many
    positions: int = 2048


def padded(batch: Batch, capacity: Capacity) -> Batch:
    """What is added is seen by nobody, and counts for nothing in the loss."""
    by_length = {group.length: group for group in batch.groups}
    groups = tuple(
        _group(by_length.get(length), length, count, capacity.suffixes) for length, count in capacity.canvases
    )
    return Batch(
        ids=_sized(batch.ids, 1 + capacity.tokens),
        suffixes=_sized(_sized(batch.suffixes.T, 1 + capacity.suffix_tokens).T, capacity.suffixes),
        suffix_sizes=_sized(batch.suffix_sizes, capacity.suffixes),
        groups=groups,
        rows=torch.arange(
            sum((1 + length) * count for length, count in capacity.canvases)
        ),  # all: how many count varies
        targets=_targets(targets(groups), capacity.positions),
    )


def _group(group: Group | None, length: int, count: int, suffixes: int) -> Group:
    if group is None:
        group = _empty(length)
    kept = group.suffixes < suffixes
    return Group(*(_sized(tensor[kept], count) for tensor in vars(group).values()))


def _empty(length: int) -> Group:
    none, flat = torch.zeros(0, dtype=torch.long), torch.zeros(0, length, dtype=torch.long)
    return Group(none, none, flat, flat.bool(), flat.float(), none.bool(), none.bool())


def _targets(found: Targets, positions: int) -> Targets:
    by_position = {name: _sized(tensor, positions) for name, tensor in vars(found).items() if name != "readings"}
    whole = found.readings.clone()
    whole[found.canvases[positions:]] = False  # what is cut off can't be counted as right
    return Targets(**by_position, readings=whole)


def _sized(tensor: Tensor, count: int) -> Tensor:
    """Zeros behind what there is of the first dimension, or a part of it."""
    missing = count - len(tensor)
    if missing <= 0:
        return tensor[:count]
    return functional.pad(tensor, (*[0, 0] * (tensor.dim() - 1), 0, missing))
