"""Writes a safetensors file piece by piece: the library's `save_file` wants all of it in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import torch

from lacuna.engine.layers.safetensors_file import TYPES

NAMES = {dtype: name for name, dtype in TYPES.items()}
Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]  # of each tensor by its name


def order(layout: Layout) -> list[str]:
    """The names as they follow each other in the file, as the library has them: wider types first, so that all are
    aligned."""
    return sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))


def size(dtype: torch.dtype, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor."""
    return math.prod(shape) * dtype.itemsize


def write(file: Path, layout: Layout, pieces: Iterable[torch.Tensor]) -> None:
    """`pieces` are the tensors in `order`, each whole or as slices of its rows one after the other.

    Raises OSError; and ValueError where they are not what `layout` says.
    """
    with file.open("wb") as target:
        target.write(_header(layout)[0])
        start = target.tell()
        for piece in pieces:
            target.write(_bytes(piece))
        expected = sum(size(*layout[name]) for name in layout)
        if target.tell() - start != expected:
            raise ValueError(f"{file}: tensors of {target.tell() - start:,} bytes instead of {expected:,}")


class Writer:
    """Writes a file's tensors in any order, each once and whole. Raises OSError."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout
        header, self._offsets = _header(layout)
        file.write(header)
        self._start = file.tell()
        self._missing = set(layout)

    def put(self, name: str, tensor: torch.Tensor) -> None:
        assert (tensor.dtype, tuple(tensor.shape)) == self._layout[name], f"{name} is not what the header says"
        self._missing.remove(name)
        self._file.seek(self._start + self._offsets[name])
        self._file.write(_bytes(tensor))

    def finish(self) -> None:
        assert not self._missing, f"{min(self._missing)} was not written"
        self._file.flush()


def _header(layout: Layout) -> tuple[bytes, dict[str, int]]:
    """The file's first bytes, and where each tensor begins behind them."""
    described: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offsets, at = {}, 0
    for name in order(layout):
        dtype, shape = layout[name]
        offsets[name] = at
        at += size(dtype, shape)
        described[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [offsets[name], at]}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, offsets


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data
