"""The gated feed-forward block (GELU with tanh), beside the experts in every layer and inside self-conditioning."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engine.linear import Linear


class GatedMlp:
    """down(gelu(gate(x)) * up(x)) for x of shape [tokens, hidden]."""

    def __init__(self, gate_proj: Tensor, up_proj: Tensor, down_proj: Tensor) -> None:
        self._gate_up_proj = Linear(torch.cat([gate_proj, up_proj]))
        self._down_proj = Linear(down_proj)

    def __call__(self, x: Tensor) -> Tensor:
        return self._down_proj(gated(self._gate_up_proj(x)))


def gated(gate_up: Tensor) -> Tensor:
    """gelu(first half) * second half, along the last dimension."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.gelu(gate, approximate="tanh").mul_(up)
