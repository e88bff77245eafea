"""GGUF's Q5_0: blocks of 32 levels from -16 to 15, with a scale in float16."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks, half, nibbles


@dataclass(frozen=True)
class Q5_0(GgufBlocks):
    """A block: the scale; 32 bits, of each level the highest; 16 bytes of the others. w = (level - 16) * scale."""

    WEIGHTS, BYTES, HALVES = 32, 22, (0,)

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        places = torch.arange(8, dtype=torch.uint8, device=blocks.device)
        highest = (blocks[..., 2:6, None] >> places & 1).flatten(-2)
        levels = nibbles(blocks[..., 6:]).bitwise_or_(highest << 4)
        return levels.float().sub_(16).mul_(half(blocks, 0))
