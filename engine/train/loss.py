"""What training minimises: the cross-entropy of noise that is denoised, and that of tokens read from the left."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.train.batch import Targets

CANVAS_WEIGHT, READER_WEIGHT = 0.5, 1.0  # the reader decides, the canvas only drafts


@dataclass(frozen=True)
class Sums:
    """Over positions."""

    positions: float  # that were learned
    canvas: float  # cross-entropy at leftmost hidden positions
    first_right: float  # of these, how many are right
    firsts: float
    reader: float  # cross-entropy of what is read from the left
    read_right: float  # of these tokens, how many are right
    reads: float
    all_right: float  # readings whose every token is right: greedily, the hole would be filled exactly
    alls: float


def loss(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """What is minimised, a mean over positions, for logits [positions, vocab]; and what `Sums` names, without
    gradients. No shape depends on what the tensors hold."""
    entropy = functional.cross_entropy(logits.float(), targets.tokens, reduction="none")
    weights = targets.weights * torch.where(targets.read, READER_WEIGHT, CANVAS_WEIGHT)
    positions = (targets.weights > 0).sum()
    right, found = logits.detach().argmax(-1) == targets.tokens, entropy.detach()
    wrong = torch.zeros_like(targets.readings, dtype=torch.int32)
    wrong = wrong.index_add(0, targets.canvases, (targets.read & ~right).int())
    sums = [
        positions,
        found @ targets.first.float(),
        (targets.first & right).sum(),
        targets.first.sum(),
        found @ targets.read.float(),
        (targets.read & right).sum(),
        targets.read.sum(),
        (targets.readings & (wrong == 0)).sum(),
        targets.readings.sum(),
    ]
    return (weights @ entropy) / positions, torch.stack([value.float() for value in sums])
