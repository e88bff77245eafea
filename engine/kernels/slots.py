"""Where a pass finds keys and values: numbers that kernels read from the device, one row for each layer.

A launch that was captured so serves any cache, however it has grown meanwhile, and any length of its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

POSITION = 7  # the column that torch's operations read


@dataclass(frozen=True)
class Slots:
    """What a pass writes and sees of one layer's cache."""

    keys: Tensor  # [rows, pairs, slots, head_dim], dense
    values: Tensor  # as keys
    first: int  # slot, of those that may be seen
    start: int  # slot of the pass' first token
    stop: int  # the slot after its last one: what fills a pass up is not stored, and nobody sees it
    position: int = 0  # of the first token

    def numbers(self) -> list[int]:
        """A row of the table."""
        assert self.keys.shape == self.values.shape and self.stop <= self.keys.shape[2], "there is room for every key"
        assert self.keys.is_contiguous() and self.values.is_contiguous(), "both caches are dense"
        assert 0 <= self.first <= self.start < self.stop, "a token sees itself"
        strides = self.keys.stride()[:2]
        return [
            self.keys.data_ptr(),
            self.values.data_ptr(),
            *strides,
            self.first,
            self.start,
            self.stop,
            self.position,
        ]


def table(layers: Iterable[Slots]) -> Tensor:
    """int64 [layers, 8], on the host. It is good while the buffers live."""
    return torch.tensor([slots.numbers() for slots in layers])


@triton.jit
def buffers(slots, kind, WIDTH: tl.constexpr):
    """Addresses of keys and values of the type that `kind` points to, and how far rows and heads are apart."""
    keys = tl.load(slots).to(tl.pointer_type(kind.dtype.element_ty))
    values = tl.load(slots + 1).to(tl.pointer_type(kind.dtype.element_ty))
    row_stride, head_stride = tl.load(slots + 2), tl.load(slots + 3)
    if WIDTH % 16 == 0:  # of heads as wide as that every one begins where 16 bytes are loaded at once
        keys, values = tl.multiple_of(keys, 16), tl.multiple_of(values, 16)
        row_stride, head_stride = tl.multiple_of(row_stride, 16), tl.multiple_of(head_stride, 16)
    return keys, values, row_stride, head_stride


@triton.jit
def bounds(slots):
    """The first slot that may be seen, that of the first token, and the one after the last."""
    first, start, stop = tl.load(slots + 4), tl.load(slots + 5), tl.load(slots + 6)
    return first.to(tl.int32), start.to(tl.int32), stop.to(tl.int32)
