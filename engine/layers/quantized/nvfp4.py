"""NVFP4: E2M1 in blocks of 16 with an E4M3 scale each, and one scale of a whole matrix in float32."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import Codec, scaled
from lacuna.engine.layers.quantized.nibbles import E2M1, unpack

BLOCK = 16  # weights of one row that share a scale


@dataclass(frozen=True)
class Nvfp4(Codec):
    """payload: uint8 [..., out, in / 2]; scale: float8_e4m3fn [..., out, in / 16]; global_scale: float32 [..., parts].

    A matrix that was joined of several, as gate and up are, has one global scale for each of its `parts`, which have
    equally many rows. w = e2m1 * scale * global_scale: modelopt's convention. compressed-tensors divides by its global
    scale, whose reciprocal stands here.
    """

    scale: Tensor
    global_scale: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.payload.shape[:-1], 2 * self.payload.shape[-1])

    def decode_rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        return self._decoded(rows, dtype, torch.float32 if self.device.type == "cpu" else dtype)

    def _decoded(self, rows: slice, dtype: torch.dtype, exact: torch.dtype) -> Tensor:
        """By products of payload and scales in `exact`."""
        # The first product has 6 significant bits and lies between 2**-10 and 2688: exact in bfloat16 too. A CPU has
        # no vectors for the second one's two types: 1408 x 2816 as a whole takes one core 22.7 ms so, 18.1 in float32.
        blocks = unpack(self.payload[..., rows, :], E2M1, exact).unflatten(-1, (-1, BLOCK))
        weights = scaled(blocks, self.scale[..., rows, :, None], exact).flatten(-2)
        per_row = self.global_scale.repeat_interleave(self.shape[-2] // self.global_scale.shape[-1], dim=-1)
        # Computed in float32, and rounded once.
        return torch.mul(weights, per_row[..., rows, None], out=weights).to(dtype)
