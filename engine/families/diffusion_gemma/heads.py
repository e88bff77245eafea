"""The head's part of a denoising step: from final hidden states to the tokens that are taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.entropy_bound import IMPOSSIBLE, Proposal, accepted, draw, propose
from lacuna.engine.layers.linear import Linear


class Decision(NamedTuple):
    proposal: Proposal
    accepted: Tensor  # bool, [batch, positions]
    tokens: Tensor  # [batch, positions]: samples where they are accepted


class Head(Protocol):
    def __call__(
        self, hidden: Tensor, allowed: Mapping[int, Tensor], temperature: float, bound: float, uniform: Tensor
    ) -> Decision:
        """For final hidden states [batch, positions, hidden].

        `allowed` holds by position the tokens that may stand there, bool [vocab]; elsewhere all may. `bound` is the
        entropy bound in nats, `uniform`, [batch, positions], decides the samples.
        """


class TorchHead:
    """Anywhere: every quantity in a pass of its own over the logits in float32."""

    def __init__(self, lm_head: Linear, cap: float, dtype: torch.dtype) -> None:
        """`dtype` is that of the hidden states and of `lm_head`, which makes raw logits of them."""
        self._lm_head = lm_head
        self._cap = cap
        self._exact = dtype == torch.float32

    def __call__(
        self, hidden: Tensor, allowed: Mapping[int, Tensor], temperature: float, bound: float, uniform: Tensor
    ) -> Decision:
        logits = self.logits(hidden)
        for at, some in allowed.items():
            logits[:, at].masked_fill_(~some, IMPOSSIBLE)
        proposal = propose(logits, temperature)
        taken = accepted(proposal.entropy, bound)
        return Decision(proposal, taken, draw(proposal, uniform, taken))

    def logits(self, hidden: Tensor) -> Tensor:
        """Soft-capped logits [..., vocab] in float32 for final hidden states [..., hidden]."""
        rows, cap = hidden.flatten(0, -2), self._cap
        # In bfloat16 the raw logits are rounded before they are capped: the model was trained so.
        capped = self._lm_head.tanh(rows / cap) if self._exact else self._lm_head(rows).float().div_(cap).tanh_()
        return capped.mul_(cap).unflatten(0, hidden.shape[:-1])


class TritonHead:
    """On CUDA: all quantities from one reading of the logits as they come, and probabilities in their place.

    These have the weights' type then, in which self-conditioning takes them anyway.
    """

    def __init__(self, lm_head: Linear, cap: float) -> None:
        from lacuna.engine.kernels import head_statistics

        self._kernels = head_statistics
        self._lm_head = lm_head
        self._cap = cap

    def __call__(
        self, hidden: Tensor, allowed: Mapping[int, Tensor], temperature: float, bound: float, uniform: Tensor
    ) -> Decision:
        logits, shape = self._lm_head(hidden.flatten(0, 1)), hidden.shape[:2]
        for at, some in allowed.items():
            logits.view(*shape, -1)[:, at].masked_fill_(~some, -torch.inf)
        found = self._kernels.statistics(logits, self._cap, temperature, uniform.flatten())
        best, drawn, confidence, entropy = (
            numbers.view(shape) for numbers in (found.best, found.drawn, found.confidence, found.entropy)
        )
        taken = accepted(entropy, bound)
        probabilities = self._kernels.to_probabilities(
            logits, self._cap, temperature, found.highest, found.confidence
        ).view(*shape, -1)
        return Decision(Proposal(probabilities, best, confidence, entropy), taken, drawn)
