"""The gated feed-forward block (GELU with tanh): beside the experts, as each expert, and inside self-conditioning."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels import availability
from lacuna.engine.layers.packed_linear import Product, Weight, linear


class GatedMlp:
    """down(gelu(gate(x)) * up(x)) for x of shape [tokens, hidden]; gate's and up's outputs come of one product."""

    def __init__(
        self, gate_up_proj: Product, down_proj: Product, between: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        """`between` does what `gated` does, in its place."""
        self._gate_up_proj = gate_up_proj
        self._down_proj = down_proj
        self._between = between or gated

    @staticmethod
    def of(weights: Mapping[str, Weight], prefix: str, dtype: torch.dtype) -> GatedMlp:
        """Of the weights that a checkpoint names `prefix` and gate_proj, up_proj, down_proj, for x in `dtype`."""
        gate, up, down = (weights[f"{prefix}{name}_proj.weight"] for name in ("gate", "up", "down"))
        at_once = _gated_at_once if availability.are_available(gate.device.type) else None
        return GatedMlp(linear(gate, up, dtype=dtype), linear(down, dtype=dtype), at_once)

    def __call__(self, x: Tensor) -> Tensor:
        return self._down_proj(self._between(self._gate_up_proj(x)))


def gated(gate_up: Tensor) -> Tensor:
    """gelu(first half) * second half, along the last dimension."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.gelu(gate, approximate="tanh").mul_(up)


def _gated_at_once(gate_up: Tensor) -> Tensor:
    """The same as one of Triton's kernels."""
    from lacuna.engine.kernels.gated import gelu_times

    return gelu_times(*gate_up.chunk(2, dim=-1))
