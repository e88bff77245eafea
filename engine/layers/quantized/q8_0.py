"""GGUF's Q8_0: blocks of 32 bytes, with a scale in float16."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks, half


@dataclass(frozen=True)
class Q8_0(GgufBlocks):
    """A block: the scale; 32 levels from -128 to 127. w = level * scale."""

    WEIGHTS, BYTES, HALVES = 32, 34, (0,)

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        return blocks[..., 2:].view(torch.int8).float().mul_(half(blocks, 0))
