"""Writes a safetensors file piece by piece: the library's `save_file` wants all of it in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16"}
Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]  # of each tensor by its name


def order(layout: Layout) -> list[str]:
    """The names as they follow each other in the file, as the library has them: wider types first, so that all are
    aligned."""
    return sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))


def write(file: Path, layout: Layout, pieces: Iterable[torch.Tensor]) -> None:
    """`pieces` are the tensors in `order`, each whole or as slices of its rows one after the other.

    Raises OSError; and ValueError where they are not what `layout` says.
    """
    with file.open("wb") as target:
        target.write(_header(layout))
        start = target.tell()
        for piece in pieces:
            target.write(piece.contiguous().flatten().view(torch.uint8).numpy().data)
        expected = sum(_size(*layout[name]) for name in layout)
        if target.tell() - start != expected:
            raise ValueError(f"{file}: tensors of {target.tell() - start:,} bytes instead of {expected:,}")


def _header(layout: Layout) -> bytes:
    described: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in order(layout):
        dtype, shape = layout[name]
        end = at + _size(dtype, shape)
        described[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _size(dtype: torch.dtype, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * dtype.itemsize
