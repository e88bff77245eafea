"""Reads safetensors: names and shapes from the headers first, then one memory-mapped tensor at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import ADVICE, LoadError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
INDEX_BYTES = 4 << 20
HEADER_BYTES = 8 << 20  # 70,000 tensors
FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
NAMED = 40  # tensors that a message names


class WeightsError(LoadError):
    """Weights that are missing, damaged, or not those of the model they were read for."""


def stream(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor with its name, one at a time and memory-mapped: copy what you want to change.

    `path` is a model directory (one file, or shards and their index) or one .safetensors file.
    Raises WeightsError with the file's name when something is missing or damaged.
    """
    for file in _files(path):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118 (safe_open has keys() and no iteration)
                yield name, tensors.get_tensor(name)


def checked(path: Path, expected: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, torch.Tensor]]:
    """`stream`, after the headers have shown exactly the names and shapes that are expected, all of them floats.

    Raises WeightsError, before anything is read, that names the tensors that are missing, extra or misshaped.
    """
    found = _headers(path)
    problems = [
        *(f"{name}: missing, expected {list(expected[name])}" for name in expected if name not in found),
        *(f"{name}: not expected, found {list(found[name][0])}" for name in found if name not in expected),
        *(
            f"{name}: expected {list(expected[name])}, found {list(found[name][0])}"
            for name in expected
            if name in found and tuple(expected[name]) != found[name][0]
        ),
        *(f"{name}: holds {kind}, and must hold floats" for name, (_, kind) in found.items() if kind not in FLOATS),
    ]
    if problems:
        more = [f"... and {len(problems) - NAMED:,} more"] if len(problems) > NAMED else []
        listed = "\n  ".join([*(problem[:200] for problem in problems[:NAMED]), *more])
        raise WeightsError(f"{path} does not hold the weights of this model; {ADVICE}:\n  {listed}")
    return stream(path)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor by name, from the headers alone."""
    return {name: shape for name, (shape, _) in _headers(path).items()}


def metadata(file: Path) -> dict[str, str]:
    """The words in the header of one .safetensors file."""
    with _opened(file) as tensors:
        return dict(tensors.metadata() or {})


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of every tensor by name."""
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    for file in _files(path):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118
                if name in found:
                    raise WeightsError(f"{file}: {name} stands in an earlier file too")
                header = tensors.get_slice(name)
                found[name] = tuple(header.get_shape()), header.get_dtype()
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if os.path.lexists(path / SINGLE_FILE):
        return [path / SINGLE_FILE]
    index = path / INDEX_FILE
    if not os.path.lexists(index):
        raise WeightsError(f"{path} has neither {SINGLE_FILE} nor {INDEX_FILE}: {ADVICE}")
    try:
        names = list(config_file.read(index, INDEX_BYTES).part("weight_map").values.values())
    except LoadError as error:
        raise WeightsError(f"{index} is damaged: {error}") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise WeightsError(f"{index} points outside its directory ({str(name)[:200]}): {ADVICE}")
    return [path / name for name in sorted(set(names))]


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        _check_header(file)
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{file} cannot be read ({error}): {ADVICE}") from error


def _check_header(file: Path) -> None:
    """Before the library opens it: it would wait for a FIFO, and reads a header of 100 MB. Raises OSError."""
    kind = file.stat()
    if not stat.S_ISREG(kind.st_mode):
        raise OSError("it is not a regular file")
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
    if not 2 <= size <= min(HEADER_BYTES, kind.st_size - 8):
        raise OSError(f"its header would have {size:,} bytes")
