"""A matrix that a checkpoint had in 4 bits a weight: kept so, where that costs no exactness and little time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from lacuna.engine.layers.linear import Linear
from torch import Tensor
from torch.nn import functional

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

    def __init__(self, grid: Grid) -> None:
        """`grid` is one that `is_exact`."""
        self.shape = (grid.levels.shape[0], grid.levels.shape[1] * GROUP)
        flat = grid.levels.round().int().flatten(1)  # [out, in]
        self._levels = torch.ops.aten._convert_weight_to_int4pack_for_cpu(flat, 1)
        centre = grid.least + LEVELS / 2 * grid.scale
        pairs = torch.stack([grid.scale, centre], dim=-1)  # [out, groups, 2]
        self._scales = pairs.transpose(0, 1).bfloat16().contiguous()

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
    if fast and weight.shape[1] % GROUP == 0 and (grid := Grid.of(weight)).is_exact:
        return Int4Linear(grid)
    return Linear(weight)


@dataclass(frozen=True)
class Grid:
    """A weight as levels of its groups. Quantisers put the outermost values of a group on its outermost levels."""

    levels: Tensor  # [out, groups, 32], from 0 to 15, not rounded
    scale: Tensor  # [out, groups], the distance between two levels
    least: Tensor  # [out, groups]

    @staticmethod
    def of(weight: Tensor) -> Grid:
        """`weight` has shape [out, in], whole groups."""
        groups = weight.float().unflatten(1, (-1, GROUP))
        least, most = groups.amin(-1), groups.amax(-1)
        scale = (most - least) / (LEVELS - 1)
        levels = (groups - least[..., None]) / scale.clamp(min=torch.finfo(torch.float32).tiny)[..., None]
        return Grid(levels, scale, least)

    @property
    def is_exact(self) -> bool:
        """Whether every group has no more than 16 values at equal distances, but for what rounding to bfloat16 did to
        them."""
        largest = torch.maximum(self.least.abs(), (self.least + (LEVELS - 1) * self.scale).abs())  # [out, groups]
        moved = (self.levels - self.levels.round()).abs().amax(-1) * self.scale
        return bool((moved <= ROUNDING * largest).all())
