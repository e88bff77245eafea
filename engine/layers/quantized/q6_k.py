"""GGUF's Q6_K: blocks of 256 levels from -32 to 31, with 16 scales of 8 bits and one in float16."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks, half, nibbles


@dataclass(frozen=True)
class Q6_K(GgufBlocks):
    """A block: 128 bytes of the levels' lower four bits, 64 of the upper two, 16 scales, and the scale of these.

    It has two halves of 128 levels, and a half four runs of 32. w = (level - 32) * scale * outer scale.
    """

    WEIGHTS, BYTES, HALVES = 256, 210, (208,)

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        lower, upper, scales, _ = blocks.split([128, 64, 16, 2], dim=-1)
        run = torch.arange(0, 8, 2, dtype=torch.uint8, device=blocks.device)[:, None]
        above = (upper.unflatten(-1, (2, 1, 32)) >> run & 3).flatten(-2)  # [..., 2, 128]
        levels = nibbles(lower.unflatten(-1, (2, 64))).bitwise_or_(above << 4)
        scale = half(blocks, 208) * scales.view(torch.int8)
        return levels.view(*scale.shape, 16).float().sub_(32).mul_(scale[..., None]).flatten(-2)
