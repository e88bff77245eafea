"""MXFP4: E2M1 in blocks of 32, with a power of two each (OCP Microscaling Formats 1.0)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import Codec, scaled
from lacuna.engine.layers.quantized.nibbles import E2M1, unpack

BLOCK = 32  # weights of one row that share a scale


@dataclass(frozen=True)
class Mxfp4(Codec):
    """payload: uint8 [..., out, in / 2]; scale: float8_e8m0fnu [..., out, in / 32]. w = e2m1 * scale, exactly."""

    scale: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.payload.shape[:-1], 2 * self.payload.shape[-1])

    def decode_rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        blocks = unpack(self.payload[..., rows, :], E2M1, dtype).unflatten(-1, (-1, BLOCK))
        return scaled(blocks, self.scale[..., rows, :, None], dtype).flatten(-2)
