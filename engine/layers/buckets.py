"""Buckets: sizes that passes are filled up to, so that few shapes are captured."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def bucket(count: int, sizes: Sequence[int]) -> int | None:
    """The least of the ascending sizes that holds so many; None where none does."""
    return next((size for size in sizes if size >= count), None)


def filled(x: Tensor, size: int, dim: int) -> Tensor:
    """x with its last entry along a dimension repeated, up to `size` of them."""
    missing = size - x.shape[dim]
    if not missing:
        return x
    shape = [missing if at == dim else length for at, length in enumerate(x.shape)]
    return torch.cat([x, x.narrow(dim, -1, 1).expand(shape)], dim)
