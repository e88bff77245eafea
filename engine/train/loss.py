"""What training minimises: the cross-entropy of noise that is denoised, and that of tokens read from the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.train.batch import Targets

CANVAS_WEIGHT, READER_WEIGHT = 0.5, 1.0  # the reader decides, the canvas only drafts
BASE_SHARE = 0.8


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
    return _mean(entropy, targets), _sums(entropy.detach(), logits.detach(), targets)


def distilled(logits: Tensor, base: Tensor, targets: Targets, ends: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The same, where the base's own logits [positions, vocab] say what stands in a hole, and the text where it ends.

    log p(token) = log p(no end) + log p(token | no end). The first is learned from the text; of the second the label
    is BASE_SHARE of the base's distribution without the tokens that end a hole, and the text's token for the rest
    (distillation, arXiv 1503.02531, at temperature 1).
    """
    logits = logits.float()
    is_end = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    is_end[list(ends)] = True
    entropy = functional.cross_entropy(logits, targets.tokens, reduction="none")
    label = base.float().masked_fill(is_end, -torch.inf).softmax(-1)
    others = logits.masked_fill(is_end, 0.0)
    inside = torch.logsumexp(logits.masked_fill(is_end, -torch.inf), -1)
    soft = inside - (label * others).sum(-1)  # cross-entropy of the conditional distributions
    hard = inside - others.gather(1, targets.tokens[:, None])[:, 0]
    learned = torch.where(is_end[targets.tokens], entropy, entropy + BASE_SHARE * (soft - hard))
    return _mean(learned, targets), _sums(entropy.detach(), logits.detach(), targets)


def _mean(entropy: Tensor, targets: Targets) -> Tensor:
    weights = targets.weights * torch.where(targets.read, READER_WEIGHT, CANVAS_WEIGHT)
    return (weights @ entropy) / (targets.weights > 0).sum()


def _sums(found: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    positions = (targets.weights > 0).sum()
    right = logits.argmax(-1) == targets.tokens
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
    return torch.stack([value.float() for value in sums])
