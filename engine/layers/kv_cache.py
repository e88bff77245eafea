"""Keys and values of tokens that were read: one buffer for all layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from mmap import mmap

import torch
from torch import Tensor


class KvCache:
    """Rotated keys, and values: [layers, kv_heads, capacity, head_dim]. Whoever owns it knows what its slots hold.

    Passes write at slots and attend to a run of slots, so nothing is concatenated or copied per pass.
    """

    def __init__(
        self, layers: int, kv_heads: int, capacity: int, head_dim: int, dtype: torch.dtype, device: str
    ) -> None:
        shape = (layers, kv_heads, capacity, head_dim)
        self.keys, self.values = (_zeros(shape, dtype, device) for _ in range(2))

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    def write(self, layer: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Puts keys and values of shape [tokens, kv_heads, head_dim] at slots start .. start + tokens."""
        stop = start + keys.shape[0]
        self.keys[layer, :, start:stop] = keys.transpose(0, 1)  # [kv_heads, tokens, head_dim]
        self.values[layer, :, start:stop] = values.transpose(0, 1)

    def move(self, sources: Sequence[int], target: int) -> None:
        """Copies slots of every layer, within this buffer, to the slots from `target` on."""
        stop = target + len(sources)
        if list(sources) != list(range(target, stop)):
            self.keys[:, :, target:stop] = self.keys[:, :, sources]  # [layers, kv_heads, slots, head_dim], a copy
            self.values[:, :, target:stop] = self.values[:, :, sources]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> Tensor:
    """Zeros, not what happens to be there: a masked slot is multiplied by 0, and 0 * NaN is NaN.

    On CPU in pages of the system's own, which take no memory until they are written: half of a cache never is, and
    `torch.zeros` writes all of it.
    """
    if device != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.frombuffer(mmap(-1, prod(shape) * dtype.itemsize), dtype=dtype).view(shape)
