"""From a plan to weights: each tensor is copied to its place as it is read, and each weight given out once it is whole.

A bank is allocated once, on the device, so that beside the weights no more than one stored tensor is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects.layouts import FLOAT_FORMAT
from lacuna.engine.layers.dialects.names import Place
from lacuna.engine.layers.dialects.stored_fields import CODECS, BadValue, field
from lacuna.engine.layers.dialects.translate import Plan, Planned
from lacuna.engine.layers.packed_linear import Weight
from lacuna.engine.layers.weight_files import WeightsError


def read(path: Path, plan: Plan, device: str, dtype: torch.dtype) -> Iterator[tuple[str, Weight]]:
    """Every weight of a plan with its name, its floats in `dtype`. Raises WeightsError that names a tensor with values
    that its layout does not allow."""
    begun: dict[str, _Filling] = {}
    for name, tensor in weight_files.stream(path):
        place = plan.places.get(name)
        if place is None:
            continue
        if place.weight not in begun:
            begun[place.weight] = _Filling(plan.weights[place.weight], device, dtype)
        try:
            whole = begun[place.weight].add(place, tensor)
        except BadValue as error:
            raise WeightsError(f"{path}: {name} {error}") from error
        if whole is not None:
            del begun[place.weight]
            yield place.weight, whole


class _Filling:
    """A weight of which some tensors have been read."""

    def __init__(self, planned: Planned, device: str, dtype: torch.dtype) -> None:
        self._layout, self._shape = planned.layout, planned.shape
        self._fields = planned.fields(dtype)
        self._parts = planned.parts
        self._missing = planned.tensors
        self._device = device
        self._filled: dict[str, Tensor] = {}

    def add(self, place: Place, tensor: Tensor) -> Weight | None:
        """The weight, once it is whole."""
        shape = self._shape if place.expert is None else (self._shape[1] // self._parts, self._shape[2])
        found = field(self._layout, place.role, tensor, shape, self._fields["payload"][1])
        if found is not None:
            self._put(place, *found)
        self._missing -= 1
        if self._missing:
            return None
        if self._layout.format == FLOAT_FORMAT:
            return self._filled["payload"]
        return CODECS[self._layout.format](**self._filled)

    def _put(self, place: Place, name: str, value: Tensor) -> None:
        shape, dtype = self._fields[name]
        if place.expert is None and tuple(value.shape) == shape:
            self._filled[name] = value.to(self._device, dtype)  # no copy on CPU where the type is right: it is mapped
            return
        if name not in self._filled:
            self._filled[name] = torch.empty(shape, dtype=dtype, device=self._device)
        target = self._filled[name]
        if place.expert is not None and place.part is not None:
            rows = target.shape[1] // self._parts
            target = target[place.expert, place.part * rows : (place.part + 1) * rows]
        target.copy_(value)
