"""What training minimises: the cross-entropy of noise that is denoised, and that of tokens read from the left."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.llama import Llama
from engine.train.batch import Group

CANVAS_WEIGHT, READER_WEIGHT = 0.5, 1.0  # the reader decides, the canvas only drafts


@dataclass(frozen=True)
class Loss:
    total: Tensor  # scalar, summed over positions
    tokens: int  # positions that were learned
    canvas: float  # mean cross-entropy at the leftmost hidden positions
    first_right: int  # of these, how many are right
    firsts: int
    reader: float  # mean cross-entropy of what is read from the left
    read_right: int  # of these tokens, how many are right
    reads: int
    all_right: int  # readings whose every token is right: greedily, the hole would be filled exactly
    alls: int


def loss(hidden: Tensor, groups: tuple[Group, ...], base: Llama) -> Loss:
    """`hidden` has shape [rows, hidden], as the canvas pass gives it."""
    targets = [_Targets(group) for group in groups]
    rows = hidden.split([group.tokens.shape[0] * (1 + group.length) for group in groups])
    picked = torch.cat([target.states(row) for target, row in zip(targets, rows, strict=True)])
    logits = base.logits(picked)  # [positions, vocab]
    tokens = torch.cat([target.tokens for target in targets])
    weights = torch.cat([target.weights for target in targets])
    entropy = functional.cross_entropy(logits.float(), tokens, reduction="none")
    right = logits.detach().argmax(-1) == tokens
    found, first, read = entropy.detach(), _joined(targets, "first"), _joined(targets, "read")
    wholes = [
        whole
        for target, part in zip(targets, right.split([len(target.tokens) for target in targets]), strict=True)
        for whole in target.wholes(part)
    ]
    return Loss(
        total=(weights * entropy).sum(),
        tokens=len(tokens),
        canvas=float(found[first].mean()),
        first_right=int(right[first].sum()),
        firsts=int(first.sum()),
        reader=float(found[read].mean()),
        read_right=int(right[read].sum()),
        reads=int(read.sum()),
        all_right=sum(wholes),
        alls=len(wholes),
    )


def _joined(targets: list[_Targets], name: str) -> Tensor:
    return torch.cat([getattr(target, name) for target in targets])


class _Targets:
    """The positions of one group that are learned, [positions] each, row by row."""

    def __init__(self, group: Group) -> None:
        learned = group.weights > 0
        self._learned = learned
        self._group = group
        self.tokens = group.tokens[learned]
        self.weights = group.weights[learned] * (READER_WEIGHT if group.read else CANVAS_WEIGHT)
        self.read = torch.full_like(self.tokens, group.read, dtype=torch.bool)
        self.first = ((~group.known).cumsum(1) == 1)[learned] & (~group.known)[learned]

    def states(self, rows: Tensor) -> Tensor:
        """States that predict the learned positions: row i of a block predicts position i."""
        count, length = self._learned.shape
        return rows.unflatten(0, (count, length + 1))[:, :-1][self._learned]

    def wholes(self, right: Tensor) -> list[bool]:
        """Per reading, whether all of it is right."""
        grid = torch.ones(self._learned.shape, dtype=torch.bool)
        grid[self._learned] = right
        return grid.all(1).tolist() if self._group.read else []
