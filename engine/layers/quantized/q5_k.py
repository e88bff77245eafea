"""GGUF's Q5_K: blocks of 256 levels from 0 to 31 in eight runs, each with a scale and a least value of 6 bits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized import k_scales
from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks


@dataclass(frozen=True)
class Q5_K(GgufBlocks):
    """A block: `k_scales`; 32 bytes, byte i with the highest bit of the i-th level of each run; 128 bytes of the
    others."""

    WEIGHTS, BYTES, HALVES = 256, 176, k_scales.HALVES

    @staticmethod
    def unpacked(blocks: Tensor) -> Tensor:
        highest, others = blocks[..., k_scales.BEGINNING :].split([32, 128], dim=-1)
        run = torch.arange(8, dtype=torch.uint8, device=blocks.device)[:, None]
        levels = k_scales.runs(others).bitwise_or_((highest[..., None, :] >> run & 1) << 4)
        return k_scales.scale_runs(levels, blocks)
