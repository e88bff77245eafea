"""INT4: levels from -8 to 7 in groups along a row, a scale per group, and a zero point where it is asymmetric."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import Codec, scaled, work_dtype
from lacuna.engine.layers.quantized.nibbles import INT4, unpack

GROUPS = (32, 64, 128)  # that are known to be in use, and that torch's product on CPU takes


@dataclass(frozen=True)
class Int4(Codec):
    """payload: uint8 [..., out, in / 2], a level plus 8 a nibble; scale: floats of either sign [..., out, groups].

    zero_point: int8 [..., out, groups], or None for 0. w = (level - zero_point) * scale.
    """

    scale: Tensor
    zero_point: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.payload.shape[:-1], 2 * self.payload.shape[-1])

    @property
    def group(self) -> int:
        """Weights of one row that share a scale."""
        return self.shape[-1] // self.scale.shape[-1]

    def decode_rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        levels = unpack(self.payload[..., rows, :], INT4, work_dtype(self.scale, dtype)).unflatten(-1, (-1, self.group))
        if self.zero_point is not None:
            levels -= self.zero_point[..., rows, :, None]  # exact: at most 15 on either side
        return scaled(levels, self.scale[..., rows, :, None], dtype).flatten(-2)
