"""A matrix that a checkpoint had in 4 bits a weight: kept so, where that costs no exactness and little time."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from engine.linear import Linear

GROUP = 32  # weights of one row that share a scale and a centre, as in GGUF's Q4_1
LEVELS = 16
# How far a weight may be from its level, of the largest of its group: bfloat16 moves it, and the two outermost weights
# that say where the levels are, by half of that at most.
ROUNDING = 2.0**-7


class Int4Linear:
    """What `Linear` does, in bfloat16 on CPU. A weight is (level - 8) scale + centre.

    All matrices of the embedded base, 2 threads of an AMD EPYC (Zen 5), beside `Linear`: 1 token 2.6 and 6.8 ms, 20
    tokens 14.7 and 10.2, 64 tokens 41 and 22; 66 and 203 MB.
    """

    rows = 1  # a count of tokens costs what it is; nothing is compiled for it

    def __init__(self, weight: Tensor) -> None:
        """`weight` has shape [out, in] and is one that `on_grid` says yes to."""
        levels, scale, least = _grid(weight)
        self.shape = tuple(weight.shape)
        flat = levels.round().int().flatten(1)  # [out, in]
        self._levels = torch.ops.aten._convert_weight_to_int4pack_for_cpu(flat, 1)
        centre = least + LEVELS / 2 * scale
        pairs = torch.stack([scale, centre], dim=-1)  # [out, groups, 2]
        self._scales = pairs.transpose(0, 1).to(weight.dtype).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        """x W^T, shape [tokens, out]."""
        product = torch.ops.aten._weight_int4pack_mm_for_cpu(x.contiguous(), self._levels, GROUP, self._scales)
        return cast(Tensor, product)

    def silu(self, x: Tensor) -> Tensor:
        """silu(x W^T)."""
        return functional.silu(self(x), inplace=True)

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T * other, with other of shape [tokens, out]."""
        return self(x).mul_(other)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T + other, with other of shape [tokens, out]."""
        return self(x).add_(other)


def smallest(weight: Tensor) -> Linear | Int4Linear:
    """In 4 bits where the weight came from so many and the CPU multiplies nearly as fast with them: with AVX-512, and
    without AMX, whose bfloat16 products are far ahead. (In float32 torch has no fast kernel for it: 80 ms a token.)"""
    fast = (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and not torch.cpu.get_capabilities().get("amx_bf16")
    )
    return Int4Linear(weight) if fast and on_grid(weight) else Linear(weight)


def on_grid(weight: Tensor) -> bool:
    """Whether every group of the weight, [out, in], has no more than 16 values at equal distances, but for what
    rounding to bfloat16 did to them."""
    if weight.shape[1] % GROUP:
        return False
    levels, scale, least = _grid(weight)
    largest = torch.maximum(least.abs(), (least + (LEVELS - 1) * scale).abs())  # [out, groups]
    moved = (levels - levels.round()).abs().amax(-1) * scale
    return bool((moved <= ROUNDING * largest).all())


def _grid(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Levels from 0 to 15, not rounded, [out, groups, 32]; and of each group, [out, groups], the distance between two
    levels and the least value. Quantisers put the outermost values of a group on its outermost levels."""
    groups = weight.float().unflatten(1, (-1, GROUP))
    least, most = groups.amin(-1), groups.amax(-1)
    scale = (most - least) / (LEVELS - 1)
    levels = (groups - least[..., None]) / scale.clamp(min=torch.finfo(torch.float32).tiny)[..., None]
    return levels, scale, least
