"""GGUF's Q4_K: blocks of 256 levels from 0 to 15 in eight runs, each with a scale and a least value of 6 bits."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lacuna.engine.layers.quantized import k_scales
from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks


@dataclass(frozen=True)
class Q4_K(GgufBlocks):
    """A block: `k_scales`; 128 bytes of levels."""

    WEIGHTS, BYTES, HALVES = 256, 144, k_scales.HALVES

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        return k_scales.scale_runs(k_scales.runs(blocks[..., k_scales.BEGINNING :]), blocks)
