"""Reads safetensors: names and shapes from the headers first, then one memory-mapped tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


class WeightsError(Exception):
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
    """`stream`, after the headers have shown exactly the names and shapes that are expected.

    Raises WeightsError, before anything is read, that names every tensor that is missing, extra or misshaped.
    """
    found = shapes(path)
    problems = [
        *(f"{name}: missing, expected {list(expected[name])}" for name in expected if name not in found),
        *(f"{name}: not expected, found {list(found[name])}" for name in found if name not in expected),
        *(
            f"{name}: expected {list(expected[name])}, found {list(found[name])}"
            for name in expected
            if name in found and tuple(expected[name]) != found[name]
        ),
    ]
    if problems:
        raise WeightsError(f"{path} does not hold the weights of this model:\n  " + "\n  ".join(problems))
    return stream(path)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor by name, from the headers alone."""
    found: dict[str, tuple[int, ...]] = {}
    for file in _files(path):
        with _opened(file) as tensors:
            for name in tensors.keys():  # noqa: SIM118
                if name in found:
                    raise WeightsError(f"{file}: {name} stands in an earlier file too")
                found[name] = tuple(tensors.get_slice(name).get_shape())
    return found


def metadata(file: Path) -> dict[str, str]:
    """The words in the header of one .safetensors file."""
    with _opened(file) as tensors:
        return dict(tensors.metadata() or {})


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / SINGLE_FILE).exists():
        return [path / SINGLE_FILE]
    index = path / INDEX_FILE
    if not index.exists():
        raise WeightsError(f"{path} has neither {SINGLE_FILE} nor {INDEX_FILE}")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(f"{index} is damaged: {error!r}") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise WeightsError(f"{index} points outside its directory: {name}")
    return [path / name for name in names]


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} cannot be read: {error}") from error
