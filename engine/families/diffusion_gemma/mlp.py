"""The gated feed-forward block (GELU with tanh): beside the experts, as each expert, and inside self-conditioning."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.layers.packed_linear import Product, Weight, linear


class GatedMlp:
    """down(gelu(gate(x)) * up(x)) for x of shape [tokens, hidden]; gate's and up's outputs come of one product."""

    def __init__(self, gate_up_proj: Product, down_proj: Product) -> None:
        self._gate_up_proj = gate_up_proj
        self._down_proj = down_proj

    @staticmethod
    def of(weights: Mapping[str, Weight], prefix: str, dtype: torch.dtype) -> GatedMlp:
        """Of the weights that a checkpoint names `prefix` and gate_proj, up_proj, down_proj, for x in `dtype`."""
        gate, up, down = (weights[f"{prefix}{name}_proj.weight"] for name in ("gate", "up", "down"))
        return GatedMlp(linear(gate, up, dtype=dtype), linear(down, dtype=dtype))

    def __call__(self, x: Tensor) -> Tensor:
        return self._down_proj(gated(self._gate_up_proj(x)))


def gated(gate_up: Tensor) -> Tensor:
    """gelu(first half) * second half, along the last dimension."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.gelu(gate, approximate="tanh").mul_(up)
