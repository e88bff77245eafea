"""GGUF's Q4_0: blocks of 32 levels from -8 to 7, with a scale in float16."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks, half, nibbles


@dataclass(frozen=True)
class Q4_0(GgufBlocks):
    """A block: the scale, of either sign; 16 bytes of levels plus 8. w = level * scale."""

    WEIGHTS, BYTES, HALVES = 32, 18, (0,)

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        return nibbles(blocks[..., 2:]).float().sub_(8).mul_(half(blocks, 0))
