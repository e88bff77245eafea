"""A checkpoint's tensors as the weights that a model names: all that headers can tell, before anything is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects.layouts import FLOAT_FORMAT, Layout, Mismatch, layout
from lacuna.engine.layers.dialects.names import Place, Shape, is_unused, parts, place
from lacuna.engine.layers.dialects.stored_fields import fields
from lacuna.engine.layers.safetensors_file import Header

_Key = tuple[int | None, int | None]  # expert and part of a matrix


@dataclass(frozen=True)
class Planned:
    """A weight of the model, as the checkpoint holds it."""

    shape: Shape
    parts: int  # matrices with equally many rows that it joins
    layout: Layout
    tensors: int  # stored tensors that it is made of

    def nbytes(self, dtype: torch.dtype) -> int:
        """What it takes once it is loaded, its floats in `dtype`."""
        return sum(prod(shape) * kind.itemsize for shape, kind in self.fields(dtype).values())

    def fields(self, dtype: torch.dtype) -> dict[str, tuple[Shape, torch.dtype]]:
        """Shape and type of each tensor of its codec, by the field's name; of floats there is one, the payload."""
        return fields(self.layout, self.shape, self.parts, dtype)


@dataclass(frozen=True)
class Plan:
    weights: Mapping[str, Planned]
    places: Mapping[str, Place]  # by the name that a tensor is stored under; what has none is not read
    ignored: int  # tensors that were to be ignored

    def packed(self) -> dict[str, Layout]:
        """The layout of every module that is not in floats, by the name that the checkpoint has for it."""
        found = {}
        for name, where in self.places.items():
            kept = self.weights[where.weight].layout
            if kept.format != FLOAT_FORMAT and where.role in ("weight", "packed"):
                found[name.removesuffix("_packed").removesuffix(".weight")] = kept
        return found

    def formats(self) -> list[str]:
        """In words, without floats."""
        layouts = {planned.layout for planned in self.weights.values()}
        return sorted(layout.words for layout in layouts if layout.format != FLOAT_FORMAT)


def translate(
    path: Path, shapes: Mapping[str, Shape], canonical: Callable[[str], str], ignored: tuple[str, ...] = ()
) -> Plan:
    """How the tensors of a checkpoint make weights with these names and shapes.

    `canonical` is the model's name for what a checkpoint may spell in several ways; what begins with one of `ignored`
    is not read. Raises WeightsError that names every tensor that is missing, extra, misshaped or in an unknown layout.
    """
    problems: list[str] = []
    headers = weight_files.headers(path)
    text = {name: header for name, header in headers.items() if not name.startswith(ignored)}
    names, places = _sorted(text, shapes, canonical, problems)
    weights = {}
    for weight, shape in shapes.items():
        planned = _planned(weight, shape, names.get(weight, {}), problems)
        if planned is not None:
            weights[weight] = planned
    weight_files.refuse(path, problems)
    return Plan(weights, places, len(headers) - len(text))


@dataclass
class _Matrix:
    """The stored tensors of one matrix by role, with their names."""

    headers: dict[str, Header]
    names: dict[str, str]


def _sorted(
    headers: Mapping[str, Header],
    shapes: Mapping[str, Shape],
    canonical: Callable[[str], str],
    problems: list[str],
) -> tuple[dict[str, dict[_Key, _Matrix]], dict[str, Place]]:
    """Every weight's matrices, and every stored tensor's place."""
    found: dict[str, dict[_Key, _Matrix]] = defaultdict(dict)
    places: dict[str, Place] = {}
    for name, header in headers.items():
        if is_unused(name):
            continue
        where = place(canonical(name), shapes)
        if where is None:
            problems.append(f"{name}: not expected, found {list(header.shape)}")
            continue
        matrix = found[where.weight].setdefault((where.expert, where.part), _Matrix({}, {}))
        if where.role in matrix.names:
            problems.append(f"{name}: is {matrix.names[where.role]} under another name")
        matrix.headers[where.role], matrix.names[where.role] = header, name
        places[name] = where
    return found, places


def _planned(weight: str, shape: Shape, matrices: Mapping[_Key, _Matrix], problems: list[str]) -> Planned | None:
    """The weight that these matrices make; None, and a problem more, where they make none."""
    whole = (None, None)
    if not matrices:
        problems.append(f"{weight}: missing, expected {list(shape)}")
        return None
    if whole not in matrices and len(matrices) != shape[0] * parts(weight):
        problems.append(f"{weight}: {_first_missing(weight, shape, matrices)}: missing")
        return None
    if whole in matrices and len(matrices) > 1:
        problems.append(f"{weight}: stands as a whole and expert by expert")
        return None
    one = shape if whole in matrices else (shape[1] // parts(weight), shape[2])
    layouts = {found for matrix in matrices.values() if (found := _layout(weight, one, matrix, problems)) is not None}
    if len(layouts) > 1:
        problems.append(f"{weight}: its experts are in several layouts: {', '.join(sorted(map(str, layouts)))}")
    if len(layouts) != 1:
        return None
    return Planned(shape, parts(weight), layouts.pop(), sum(len(matrix.names) for matrix in matrices.values()))


def _layout(weight: str, shape: Shape, matrix: _Matrix, problems: list[str]) -> Layout | None:
    """Only projections may be packed."""
    try:
        return layout(shape, matrix.headers, weight.removesuffix(".weight").endswith("proj"))
    except Mismatch as mismatch:
        name = matrix.names.get(mismatch.role)
        beside = min(matrix.names.values())
        problems.append(f"{name}: {mismatch}" if name else f"{beside}: its {mismatch.role}: {mismatch}")
        return None


def _first_missing(weight: str, shape: Shape, matrices: Mapping[_Key, _Matrix]) -> str:
    names = ("gate_proj", "up_proj") if parts(weight) == 2 else ("down_proj",)
    keys = ((expert, part) for expert in range(shape[0]) for part in range(parts(weight)))
    expert, part = next(key for key in keys if key not in matrices)
    return f"{expert}.{names[part]}"
