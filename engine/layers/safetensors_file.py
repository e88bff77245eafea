"""One safetensors file: its header checked, then any of its tensors, each in a mapping of its own.

The library maps the whole file at once, privately: of the 27 GB that a published FP8 checkpoint has in one file, a
machine with 24 GB of memory refuses that, also where all of it goes to a GPU.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from itertools import pairwise
from math import prod
from mmap import ACCESS_COPY, ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

HEADER_BYTES = 8 << 20  # 70,000 tensors
RANK = 8
TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


class Header(NamedTuple):
    """What a file says of a tensor before it is read."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors spells it: one of TYPES


class SafetensorsFile:
    """An open file; `headers` by name, and `metadata` in words.

    Raises OSError or ValueError for one that is no plain file, or whose header does not account for all of its bytes.
    """

    def __init__(self, path: Path) -> None:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):  # opening a FIFO would wait
            raise OSError("it is not a regular file")
        self._file: BinaryIO = path.open("rb")
        try:
            content, self._start = _content(self._file, kind.st_size)
            self.metadata = _metadata(content.pop("__metadata__", {}))
            self._entries = {name: _entry(name, value) for name, value in content.items()}
            _check_offsets([offsets for _, offsets in self._entries.values()], kind.st_size - self._start)
        except BaseException:
            self.close()
            raise
        self.headers: Mapping[str, Header] = {name: header for name, (header, _) in self._entries.items()}

    def tensor(self, name: str) -> Tensor:
        """Memory-mapped: what is written to it stays in this process."""
        header, (start, end) = self._entries[name]
        if start == end:
            return torch.empty(header.shape, dtype=TYPES[header.dtype])
        return mapped(self._file, self._start + start, end - start).view(TYPES[header.dtype]).view(header.shape)

    def close(self) -> None:
        """Tensors that were read stay."""
        self._file.close()


def mapped(file: BinaryIO, start: int, size: int) -> Tensor:
    """uint8 [size], that many bytes of a file from `start` on; at least one. What is written to it stays here."""
    before = start % ALLOCATIONGRANULARITY
    content = mmap(file.fileno(), size + before, access=ACCESS_COPY, offset=start - before)
    return torch.frombuffer(content, dtype=torch.uint8, offset=before)


def _content(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header's JSON object, and where the tensors begin."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(HEADER_BYTES, size - 8):
        raise ValueError(f"its header would have {length:,} bytes")
    try:
        content = json.loads(file.read(length).decode("utf-8"))
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("its header is no object")
    return content, 8 + length


def _metadata(words: object) -> dict[str, str]:
    if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
        raise ValueError("its metadata are no texts")
    return words


def _entry(name: str, value: object) -> tuple[Header, tuple[int, int]]:
    """Type, shape and offsets of a tensor, which agree."""
    fields: dict[str, Any] = value if isinstance(value, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape", ""), fields.get("data_offsets", "")
    if not isinstance(dtype, str) or dtype not in TYPES:
        raise ValueError(f"{name[:200]} has the unknown type {str(dtype)[:20]!r}")
    if not _are_sizes(shape, RANK) or not _are_sizes(offsets, 2) or len(offsets) != 2:
        raise ValueError(f"{name[:200]} has no shape or no place")
    start, end = offsets
    if prod(shape) * TYPES[dtype].itemsize != end - start:
        raise ValueError(f"{name[:200]} has {end - start:,} bytes, which are not those of its shape")
    return Header(tuple(shape), dtype), (start, end)


def _are_sizes(values: Any, most: int) -> bool:
    return (
        isinstance(values, list) and len(values) <= most and all(type(value) is int and value >= 0 for value in values)
    )


def _check_offsets(offsets: list[tuple[int, int]], size: int) -> None:
    """Tensors lie one behind the other, with nothing between or behind them."""
    placed = sorted(offsets)
    ends = [0, *(end for _, end in placed)]
    starts = [*(start for start, _ in placed), size]
    if ends != starts or any(low > high for low, high in pairwise(ends)):
        raise ValueError("its tensors do not lie one behind the other")
