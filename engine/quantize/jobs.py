"""What is to be written, before anything is: one job for each matrix or copied tensor, and jobs gathered in shards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.layers.safetensors_file import TYPES, Header
from lacuna.engine.quantize.nvfp4 import BLOCK
from lacuna.engine.quantize.quantizers import GROUP, Unquantizable
from lacuna.engine.quantize.recipe import FP8, INT4, NVFP4, Recipe
from lacuna.engine.store.safetensors_stream import Layout, size

SHARD_BYTES = 4_000_000_000
_PART = re.compile(r"(layers\.\d+\.(?:experts|self_attn|mlp))\.")
WHOLE = {INT4: GROUP, NVFP4: BLOCK, FP8: 1}  # weights of one row that share a scale


@dataclass(frozen=True)
class Job:
    """A stored tensor, or one matrix of a bank, and what it becomes."""

    source: str  # the name that it is stored under
    module: str  # in the new checkpoint; of a copied tensor its whole name
    kind: str  # INT4, NVFP4, FP8, or "" for a copy
    shape: tuple[int, ...]
    dtype: torch.dtype
    part: str = ""  # of a layer, that what it loses counts for: "layers.3.mlp"
    expert: int | None = None
    first_row: int = 0  # of that expert

    @property
    def layout(self) -> Layout:
        """Type and shape of each tensor that is written, by its name."""
        if not self.kind:
            return {self.module: (self.dtype, self.shape)}
        rows, columns = self.shape
        parts: Mapping[str, Layout] = {
            FP8: {
                "weight": (torch.float8_e4m3fn, (rows, columns)),
                "weight_scale": (torch.bfloat16, (rows, 1)),
            },
            INT4: {
                "weight_packed": (torch.int32, (rows, columns // 8)),
                "weight_scale": (torch.bfloat16, (rows, columns // GROUP)),
                "weight_shape": (torch.int64, (2,)),
            },
            NVFP4: {
                "weight_packed": (torch.uint8, (rows, columns // 2)),
                "weight_scale": (torch.float8_e4m3fn, (rows, columns // BLOCK)),
                "weight_global_scale": (torch.float32, (1,)),
            },
        }
        return {f"{self.module}.{suffix}": part for suffix, part in parts[self.kind].items()}

    @property
    def nbytes(self) -> int:
        return sum(size(*part) for part in self.layout.values())


def jobs(headers: Mapping[str, Header], plan: Plan, recipe: Recipe, text_only: bool) -> list[Job]:
    """In the order in which the source's tensors have their names. What has no place in the plan is vision.

    Raises Unquantizable for rows that the recipe cannot cut into whole groups.
    """
    found: list[Job] = []
    for name in sorted(headers):
        header, place = headers[name], plan.places.get(name)
        dtype = TYPES[header.dtype]
        if place is None and text_only:
            continue
        kind = recipe.of(place.weight) if place is not None else ""
        if place is None or not kind:
            found.append(Job(name, name, "", header.shape, dtype))
        elif place.expert is not None or len(header.shape) == 2:
            found.append(Job(name, name.removesuffix(".weight"), kind, header.shape, dtype, _part(place.weight)))
        else:
            found += _of_bank(name, kind, header.shape, dtype, _part(place.weight))
        if kind and header.shape[-1] % WHOLE[kind]:
            raise Unquantizable(
                f"{name} has rows of {header.shape[-1]:,} weights, no whole groups of {WHOLE[kind]}: choose fp8"
            )
    return found


def shards(all_jobs: Iterable[Job], most: int = SHARD_BYTES) -> list[Sequence[Job]]:
    """Jobs in their order, so many to a shard that it has at most `most` bytes; but at least one."""
    found: list[list[Job]] = []
    filled = most
    for job in all_jobs:
        if filled + job.nbytes > most:
            found.append([])
            filled = 0
        found[-1].append(job)
        filled += job.nbytes
    return list(found)


def _part(weight: str) -> str:
    found = _PART.search(weight)
    assert found is not None, f"{weight} is in no layer"
    return found[1]


def _of_bank(name: str, kind: str, shape: tuple[int, ...], dtype: torch.dtype, part_of_layer: str) -> list[Job]:
    """One job for each expert's gate, up or down."""
    bank = name.removesuffix(".weight")
    parts = ("gate_proj", "up_proj") if bank.endswith("gate_up_proj") else ("down_proj",)
    rows = shape[1] // len(parts)
    return [
        Job(
            name,
            f"{bank.rpartition('.')[0]}.{expert}.{part}",
            kind,
            (rows, shape[2]),
            dtype,
            part_of_layer,
            expert,
            at * rows,
        )
        for expert in range(shape[0])
        for at, part in enumerate(parts)
    ]
