"""FP8: a byte a weight (E4M3 without infinities), a scale per row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import Codec, scaled, work_dtype


@dataclass(frozen=True)
class Fp8(Codec):
    """payload: float8_e4m3fn [..., out, in]; scale: floats [..., out, 1]. w = payload * scale."""

    scale: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.payload.shape)

    def decode(self, dtype: torch.dtype) -> Tensor:
        return scaled(self.payload.to(work_dtype(self.scale, dtype)), self.scale, dtype)
