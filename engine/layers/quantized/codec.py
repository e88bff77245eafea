"""What all codecs are: packed numbers with their scales, which can be cut, moved and decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

# Weights that a CPU decodes at once: what lives meanwhile stays in its cache. 1408 x 2816 in NVFP4 to bfloat16 takes a
# core of an Intel Xeon (AMX) 6.9 ms, as a whole 18.1: the C library gives such blocks back, and faults them in anew.
AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Codec(ABC):
    """A matrix [out, in], or a bank of them [experts, out, in], as its checkpoint packs it. Every field is a tensor
    or None, and all have the bank's dimension where there is one."""

    payload: Tensor

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""

    @abstractmethod
    def decode_rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """`decode`, of some of the rows."""

    def decode(self, dtype: torch.dtype) -> Tensor:
        """The weights, in bfloat16 or float32: what float32 makes of payload and scales, rounded to `dtype`.

        A new tensor. Whoever decodes one matrix after the other gets the same memory from torch's allocator each time.
        """
        if self.device.type != "cpu":
            return self.decode_rows(slice(None), dtype)
        decoded = torch.empty(self.shape, dtype=dtype)
        step = max(1, AT_ONCE // self.shape[-1])
        for start in range(0, self.shape[-2], step):
            rows = slice(start, start + step)
            decoded[..., rows, :] = self.decode_rows(rows, dtype)
        return decoded

    @property
    def device(self) -> torch.device:
        return self.payload.device

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts().values())

    def to(self, device: torch.device | str) -> Self:
        return replace(self, **{name: part.to(device) for name, part in self.parts().items()})

    def __getitem__(self, experts: int | slice) -> Self:
        """One expert's matrix, or the bank of some experts; views, no copies."""
        return replace(self, **{name: part[experts] for name, part in self.parts().items()})

    def parts(self) -> dict[str, Tensor]:
        """The tensors by field, those that are there."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in parts.items() if part is not None}


def scaled(numbers: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """`numbers`, which are overwritten, times `scale`, which broadcasts to them and whose values they can hold."""
    return numbers.mul_(scale.to(numbers.dtype)).to(dtype)  # one type: on CPU a product of two types is not vectorised


def work_dtype(scale: Tensor, dtype: torch.dtype) -> torch.dtype:
    """In which to multiply by `scale`: in `dtype` where that rounds once, as it holds both sides; else in float32."""
    return dtype if scale.dtype == dtype else torch.float32
