"""One GGUF file: its header checked, then any of its tensors, each in a mapping of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from lacuna.engine.layers import gguf_header
from lacuna.engine.layers.gguf_header import ALIGNMENT, StoredTensor
from lacuna.engine.layers.safetensors_file import TYPES, Header, mapped

FLOATS = ("F16", "BF16", "F32", "F64")


class GgufFile:
    """An open file; `headers` by name, with types as ggml spells them, and `metadata`: what it says of the model but
    for lists of texts.

    Raises LoadError, OSError or ValueError for one that is no plain file, or whose tensors are not all inside it, each
    in a place of its own.
    """

    def __init__(self, path: Path) -> None:
        header = gguf_header.read(path, texts=False)
        _check_places(header.tensors.values(), header.values.get(ALIGNMENT, gguf_header.ALIGNED))
        self.metadata: Mapping[str, Any] = header.values
        self.headers: Mapping[str, Header] = {
            name: Header(stored.shape, stored.kind.name) for name, stored in header.tensors.items()
        }
        self._stored = header.tensors
        self._file: BinaryIO = path.open("rb")

    def tensor(self, name: str) -> Tensor:
        """Memory-mapped: what is written to it stays in this process. Floats have the tensor's shape; of other types
        the bytes come as they are, uint8 [..., rows, bytes]."""
        stored = self._stored[name]
        content = mapped(self._file, stored.start, stored.rows * stored.row_bytes)
        if stored.kind.name in FLOATS:
            return content.view(TYPES[stored.kind.name]).view(stored.shape)
        return content.view(*stored.shape[:-1], stored.row_bytes)

    def close(self) -> None:
        """Tensors that were read stay."""
        self._file.close()


def _check_places(tensors: Iterable[StoredTensor], alignment: int) -> None:
    """Tensors begin at multiples of the alignment, which holds any number, and none lies in another."""
    if alignment % 8:
        raise ValueError(f"{ALIGNMENT} is {alignment}, and must be a multiple of 8")
    end, before = 0, ""
    for stored in sorted(tensors, key=lambda stored: stored.start):
        if stored.start % alignment:
            raise ValueError(f"{stored.name[:200]} does not begin at a multiple of {alignment}")
        if stored.start < end:
            raise ValueError(f"{stored.name[:200]} begins inside {before[:200]}")
        end, before = stored.start + stored.rows * stored.row_bytes, stored.name
