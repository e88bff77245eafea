"""How a block of GGUF's Q4_K and Q5_K begins: a scale and a least value of each of its eight runs of 32 weights."""

from __future__ import annotations

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import half

BEGINNING = 16  # bytes: two halves, and 12 bytes that hold sixteen numbers of 6 bits
HALVES = (0, 2)


def scale_runs(levels: Tensor, blocks: Tensor) -> Tensor:
    """w = scale * step * level - low * step, float32 [..., blocks, 256], of `levels`, uint8 [..., blocks, 8, 32].

    `scale` and `low` are the halves of a block, uint8 [..., blocks, bytes]; each run has a step of 6 bits for either.
    """
    first, second, third = blocks[..., 4:BEGINNING].split(4, dim=-1)
    steps = torch.cat([first & 63, third & 15 | first >> 6 << 4], dim=-1)
    least = torch.cat([second & 63, third >> 4 | second >> 6 << 4], dim=-1)
    scale, low = half(blocks, 0) * steps, half(blocks, 2) * least
    return levels.float().mul_(scale[..., None]).sub_(low[..., None]).flatten(-2)


def runs(packed: Tensor) -> Tensor:
    """Numbers from 0 to 15, uint8 [..., 8, 32], of uint8 [..., 128]: 32 bytes hold a run in their low nibbles, and the
    next one in their high ones."""
    pairs = packed.unflatten(-1, (4, 32))
    return torch.stack([pairs & 15, pairs >> 4], dim=-2).flatten(-3, -2)
