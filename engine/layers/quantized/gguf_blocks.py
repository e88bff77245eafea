"""What GGUF's codecs share: blocks of one row's weights, each with its scales inside (ggml's `ggml-common.h`)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import AT_ONCE, Codec


@dataclass(frozen=True)
class GgufBlocks(Codec):
    """payload: uint8 [..., out, bytes], whole blocks one behind the other, as a GGUF file has them."""

    WEIGHTS: ClassVar[int]  # of a block
    BYTES: ClassVar[int]  # that a block takes; even
    HALVES: ClassVar[tuple[int, ...]]  # where in a block its scales in float16 begin

    @property
    def shape(self) -> tuple[int, ...]:
        *lead, width = self.payload.shape
        return (*lead, width // self.BYTES * self.WEIGHTS)

    def decode_rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        return self.unpacked(self._blocks(self.payload[..., rows, :])).flatten(-2).to(dtype)

    def scales_are_finite(self) -> bool:
        """Whether no block has an infinity or no number as a scale. Looks at some blocks at a time."""
        rows = self.payload.flatten(0, -2)
        pieces = rows.split(max(1, AT_ONCE // rows.shape[-1]))
        return all(half(self._blocks(piece), at).isfinite().all() for piece in pieces for at in self.HALVES)

    @staticmethod
    @abstractmethod
    def unpacked(blocks: Tensor) -> Tensor:
        """The weights, float32 [..., blocks, WEIGHTS], of uint8 [..., blocks, BYTES]."""

    def _blocks(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (-1, self.BYTES))


def half(blocks: Tensor, at: int) -> Tensor:
    """The float16 at that byte of every block, float32 [..., blocks, 1]."""
    return blocks[..., at : at + 2].view(torch.float16).float()


def nibbles(packed: Tensor) -> Tensor:
    """Numbers from 0 to 15, uint8 [..., 2 * bytes], of uint8 [..., bytes]: first all low nibbles, then all high ones.

    Other formats put a byte's two nibbles side by side (`nibbles.unpack`).
    """
    return torch.cat([packed & 15, packed >> 4], dim=-1)
