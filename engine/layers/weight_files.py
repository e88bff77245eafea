"""A model's files of weights: names and shapes from the headers first, then one memory-mapped tensor at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lacuna.engine.layers.safetensors_file import Header, SafetensorsFile
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import ADVICE, LoadError

if TYPE_CHECKING:
    from lacuna.engine.layers.gguf_file import GgufFile

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
GGUF = ".gguf"
INDEX_BYTES = 8 << 20  # 75,000 tensors; per-expert checkpoints have 47,000
FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
NAMED = 40  # tensors that a message names


class WeightsError(LoadError):
    """Weights that are missing, damaged, or not those of the model they were read for."""


def exist(directory: Path) -> bool:
    """Whether a model directory has weights at all, damaged or not."""
    return _has_safetensors(directory) or bool(_gguf_files(directory))


def source(directory: Path) -> Path:
    """Where a model directory's weights are: in itself, as safetensors, or in its one GGUF file.

    Raises WeightsError where it is not clear which weights are meant.
    """
    files = _gguf_files(directory)
    if len(files) > 1 or (files and _has_safetensors(directory)):
        listed = ", ".join(file.name for file in files[:4])
        raise WeightsError(f"{directory} holds {listed}, and other weights: leave one GGUF file there, or none")
    return files[0] if files else directory


def stream(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor with its name, one at a time and memory-mapped: copy what you want to change.

    `path` is a model directory (one file, or shards and their index), or one .safetensors or .gguf file.
    Raises WeightsError with the file's name when something is missing or damaged.
    """
    for file in _files(path):
        with _opened(file) as opened:
            for name in sorted(opened.headers):
                yield name, opened.tensor(name)


def checked(path: Path, expected: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, torch.Tensor]]:
    """`stream`, after the headers have shown exactly the names and shapes that are expected, all of them floats.

    Raises WeightsError, before anything is read, that names the tensors that are missing, extra or misshaped.
    """
    found = headers(path)
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
    refuse(path, problems)
    return stream(path)


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Raises WeightsError with all problems of a model's files, where there are any."""
    if problems:
        more = [f"... and {len(problems) - NAMED:,} more"] if len(problems) > NAMED else []
        listed = "\n  ".join([*(problem[:200] for problem in problems[:NAMED]), *more])
        raise WeightsError(f"{path} does not hold the weights of this model; {ADVICE}:\n  {listed}")


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor by name, from the headers alone."""
    return {name: header.shape for name, header in headers(path).items()}


def metadata(file: Path) -> dict[str, Any]:
    """The words in the header of one .safetensors file, or the values in that of a .gguf file."""
    with _opened(file) as opened:
        return dict(opened.metadata)


def headers(path: Path) -> dict[str, Header]:
    """Shape and type of every tensor by name. Raises WeightsError for a name that stands in two files."""
    found: dict[str, Header] = {}
    for file in _files(path):
        with _opened(file) as opened:
            twice = sorted(found.keys() & opened.headers.keys())
            if twice:
                raise WeightsError(f"{file}: {twice[0]} stands in an earlier file too")
            found |= opened.headers
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


def _has_safetensors(directory: Path) -> bool:
    return any(os.path.lexists(directory / name) for name in (SINGLE_FILE, INDEX_FILE))


def _gguf_files(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{GGUF}"))


@contextmanager
def _opened(path: Path) -> Iterator[SafetensorsFile | GgufFile]:
    try:
        with closing(_open(path)) as file:
            yield file
    except (OSError, ValueError) as error:
        if isinstance(error, LoadError):
            raise
        raise WeightsError(f"{path} cannot be read ({error}): {ADVICE}") from error


def _open(path: Path) -> SafetensorsFile | GgufFile:
    if path.suffix != GGUF:
        return SafetensorsFile(path)
    from lacuna.engine.layers.gguf_file import GgufFile  # its package takes 0.1 s, which few models need

    return GgufFile(path)
