"""What training minimises: the cross-entropy of noise that is denoised, and that of tokens read from the left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.train.batch import Targets

POSITIONS = 128  # whose logits are there at once
CANVAS_WEIGHT, READER_WEIGHT = 0.5, 1.0  # the reader decides, the canvas only drafts


@dataclass(frozen=True)
class Measure:
    """How well gaps are denoised; see `Sums`."""

    canvas: float  # cross-entropy at the leftmost hidden position
    first_right: float  # shares
    reader: float  # cross-entropy of what is read from the left
    read_right: float
    all_right: float

    @property
    def in_words(self) -> str:
        return f"loss {self.reader:.2f}, tokens right {self.read_right:.0%}"


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

    @property
    def examples(self) -> float:
        return self.firsts

    @property
    def measure(self) -> Measure:
        return Measure(
            canvas=self.canvas / max(1.0, self.firsts),
            first_right=self.first_right / max(1.0, self.firsts),
            reader=self.reader / max(1.0, self.reads),
            read_right=self.read_right / max(1.0, self.reads),
            all_right=self.all_right / max(1.0, self.alls),
        )


def loss(states: Tensor, head: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """What is minimised, a mean over positions, for final states [positions, hidden] and the base's head [vocab,
    hidden]; and what `Sums` names, without gradients. No shape depends on what the tensors hold."""
    entropy, best = cross_entropy(states, head, targets.tokens)
    weights = targets.weights * torch.where(targets.read, READER_WEIGHT, CANVAS_WEIGHT)
    positions = (targets.weights > 0).sum()
    right, found = best == targets.tokens, entropy.detach()
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


def cross_entropy(states: Tensor, head: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy [positions] of tokens, and the likeliest ones, from final states and a head that is not learned."""
    found: tuple[Tensor, Tensor] = _CrossEntropy.apply(states, head, tokens)
    return found


class _CrossEntropy(torch.autograd.Function):
    """Positions and vocabulary make the largest matrix of a training step, so it is made in parts, each with its
    gradient at once: dH/dstate = (p - onehot) head.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, head: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        entropies, likeliest, grads = [], [], []
        for part, wanted in zip(states.split(POSITIONS), tokens.split(POSITIONS), strict=True):
            logits = functional.linear(part, head).float()
            likeliest.append(logits.argmax(-1))
            norm = logits.logsumexp(-1, keepdim=True)
            entropies.append((norm - logits.gather(-1, wanted[:, None]))[:, 0])
            slopes = logits.sub_(norm).exp_()
            slopes.scatter_add_(-1, wanted[:, None], -torch.ones_like(norm))
            grads.append(slopes.to(head.dtype) @ head)
        best = torch.cat(likeliest)
        ctx.save_for_backward(torch.cat(grads))
        ctx.mark_non_differentiable(best)
        return torch.cat(entropies), best

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (of_states,) = ctx.saved_tensors
        return (of_states * grads[0][:, None]).to(of_states.dtype), None, None
