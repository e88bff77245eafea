"""A weight matrix in 4 bits a weight (groups of 32, as GGUF's Q4_1), for checkpoints that were quantised so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from lacuna.engine.layers.linear import Linear, Unfused

GROUP = 32  # weights of one row that share a scale and a centre, as in GGUF's Q4_1
LEVELS = 16
# How far a weight may be from its level, relative to the largest weight of its group. Rounding to bfloat16 moves a
# weight by 2**-8 of its size at most, and as much the group's outermost weights, which say where the levels are.
ROUNDING = 2.0**-7


class Int4Linear(Unfused):
    """What `Linear` does, in bfloat16 on CPU. A weight is (level - 8) scale + centre.

    It pays for passes of few tokens, as the base's decode steps are. Measured over all matrices of the embedded base, 2
    threads of an AMD EPYC (Zen 5): 1 token takes 2.6 ms (`Linear`: 6.8), 20 tokens 14.7 (10.2), 64 tokens 41 (22); they
    occupy 66 MB (203).
    """

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


def smallest(weight: Tensor) -> Linear | Int4Linear:
    """`Int4Linear` where it loses nothing and torch has a fast kernel for it, else `Linear`.

    Chosen in bfloat16 on CPUs with AVX-512, where it was measured, and without AMX, with which `Linear` is far ahead.
    In float32 torch has no fast kernel for it: 80 ms a token.
    """
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
    """A weight as levels of its groups. A quantiser puts a group's outermost weights on its outermost levels."""

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
        """Whether every group's weights lie on 16 levels at equal distances, up to rounding to bfloat16."""
        largest = torch.maximum(self.least.abs(), (self.least + (LEVELS - 1) * self.scale).abs())  # [out, groups]
        moved = (self.levels - self.levels.round()).abs().amax(-1) * self.scale
        return bool((moved <= ROUNDING * largest).all())
