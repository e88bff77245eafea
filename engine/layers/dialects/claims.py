"""What a checkpoint's config says of its quantization, held against what is in its files.

The files decide. A claim that contradicts them, or that means a computation which is not done here, is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lacuna.engine.layers.dialects.ignored_modules import matching
from lacuna.engine.layers.dialects.layouts import (
    FP8_FORMAT,
    INT4_FORMAT,
    MODELOPT_FORMAT,
    MXFP4_FORMAT,
    NVFP4_FORMAT,
    Layout,
)
from lacuna.engine.layers.dialects.names import Shape
from lacuna.engine.layers.dialects.translate import Plan, translate
from lacuna.engine.layers.quantized.mxfp4 import BLOCK as MXFP4_BLOCK
from lacuna.engine.layers.quantized.nvfp4 import BLOCK as NVFP4_BLOCK
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.config_file import Fields

CONFIG, MODELOPT_FILE = "config.json", "hf_quant_config.json"
COMPRESSED_TENSORS, MODELOPT = "compressed-tensors", "modelopt"
GROUPS = 64  # of a config; published ones have one or two
STRATEGIES = {
    FP8_FORMAT: {"channel", "tensor"},
    INT4_FORMAT: {"group"},
    NVFP4_FORMAT: {"tensor_group"},
    MXFP4_FORMAT: {"group"},
}
BITS = {FP8_FORMAT: (8, "float"), INT4_FORMAT: (4, "int"), NVFP4_FORMAT: (4, "float"), MXFP4_FORMAT: (4, "float")}
BLOCKS = {NVFP4_FORMAT: NVFP4_BLOCK, MXFP4_FORMAT: MXFP4_BLOCK}


@dataclass(frozen=True)
class Claims:
    """A config that asks for nothing that is unknown here."""

    fields: Fields
    method: str
    groups: Sequence[tuple[str, Fields]]  # compressed-tensors: format and weights of each


def read(directory: Path) -> Claims | None:
    """What a model directory claims; None where it claims nothing. Raises LoadError for what is not supported."""
    fields = config_file.read(directory / CONFIG)
    if "quantization_config" in fields:
        claimed = fields.part("quantization_config")
        method = claimed.values.get("quant_method")
    elif os.path.lexists(directory / MODELOPT_FILE):
        claimed, method = config_file.read(directory / MODELOPT_FILE).part("quantization"), MODELOPT
    else:
        return None
    if method == COMPRESSED_TENSORS:
        return Claims(claimed, method, _groups(claimed))
    if method != MODELOPT:
        claimed.refuse(f"quant_method {str(method)[:60]!r} is not supported, only compressed-tensors and modelopt are")
    if claimed.values.get("quant_algo") != "NVFP4":
        claimed.refuse(f"quant_algo {str(claimed.values.get('quant_algo'))[:60]!r} is not supported, only NVFP4 is")
    groups = claimed.part("config_groups", {})
    for weights in [claimed, *(groups.part(name).part("weights", {}) for name in groups.values)]:
        _check_group_size(weights, NVFP4_FORMAT)
    return Claims(claimed, MODELOPT, ())


def planned(
    directory: Path,
    shapes: Mapping[str, Shape],
    canonical: Callable[[str], str] = str,
    not_read: tuple[str, ...] = (),
) -> Plan:
    """What a directory of safetensors holds of the weights with these names and shapes, as its config.json says it
    does; `canonical` and `not_read` as in `translate`. Raises LoadError."""
    claimed = read(directory)
    plan = translate(directory, shapes, canonical, not_read)
    if claimed is not None:
        check(claimed, plan, canonical)
    return plan


def check(claims: Claims, plan: Plan, canonical: Callable[[str], str]) -> None:
    """Raises LoadError for a claim that the files contradict, with the field that makes it."""
    packed, fields = plan.packed(), claims.fields
    if not packed:
        fields.refuse(f"quant_method says {claims.method}, and no weight in the files is quantized")
    for layout in sorted(set(packed.values()), key=str):
        if claims.method == MODELOPT and layout.format != MODELOPT_FORMAT:
            fields.refuse(f"quant_method says modelopt, and the files hold {layout.words}")
        if claims.groups and not any(_agrees(kind, weights, layout) for kind, weights in claims.groups):
            fields.refuse(f"config_groups has no group for {layout.words}, which the files hold")
    permuted = any(weights.values.get("actorder") == "group" for _, weights in claims.groups)
    if permuted and not any(place.role == "g_idx" for place in plan.places.values()):
        fields.refuse("actorder says that groups are permuted, and the files hold no weight_g_idx")
    _check_ignored(claims, packed, canonical)


def _groups(claimed: Fields) -> list[tuple[str, Fields]]:
    """Format and weights of each group; a config without groups has one that says the format alone."""
    if claimed.values.get("transform_config"):
        claimed.refuse("transform_config is there, and weights that were transformed are not supported")
    sparsity = claimed.part("sparsity_config", {}).values
    if sparsity and sparsity.get("format") != "dense":
        claimed.refuse("sparsity_config is there, and sparse weights are not supported")
    whole, named = claimed.values.get("format"), claimed.part("config_groups", {})
    if len(named.values) > GROUPS:
        claimed.refuse(f"config_groups has {len(named.values):,} groups, and {GROUPS} are the most")
    groups = [named.part(name) for name in named.values]
    said = [(str(group.values.get("format") or whole), group.part("weights", {})) for group in groups]
    said = said or [(str(whole), Fields(CONFIG, {}))]
    for kind, weights in said:
        if kind not in BITS:
            claimed.refuse(f"format {kind[:60]!r} is not supported, only {', '.join(sorted(BITS))} are")
        _check_weights(kind, weights)
    return said


def _check_weights(kind: str, weights: Fields) -> None:
    """What a group says of its weights is a layout that is known."""
    bits, number = BITS[kind]
    said = weights.values
    if said.get("num_bits", bits) != bits or said.get("type", number) != number:
        weights.refuse(f"weights of {str(said.get('num_bits'))[:20]} bits are not supported in the format {kind}")
    if said.get("strategy") is not None and said["strategy"] not in STRATEGIES[kind]:
        weights.refuse(f"strategy {str(said['strategy'])[:60]!r} is not supported in the format {kind}")
    _check_group_size(weights, kind)


def _check_group_size(weights: Fields, kind: str) -> None:
    size = weights.values.get("group_size")
    if size is not None and size != BLOCKS.get(kind, size):
        weights.refuse(f"group_size {str(size)[:20]} is not supported in the format {kind}")


def _agrees(kind: str, weights: Fields, layout: Layout) -> bool:
    said: Mapping[str, Any] = weights.values
    agree = {"group_size": layout.group, "symmetric": layout.symmetric} if kind == INT4_FORMAT else {}
    return kind == layout.format and all(said.get(key) in (None, value) for key, value in agree.items())


def _check_ignored(claims: Claims, packed: Mapping[str, Layout], canonical: Callable[[str], str]) -> None:
    fields = claims.fields
    key = next((name for name in ("ignore", "exclude_modules") if name in fields), None)
    if key is None:
        return
    names = {module: (module, canonical(module)) for module in packed}
    found = matching(fields.strings(key), names, is_glob=claims.method == MODELOPT)
    if found is not None:
        pattern, module = found
        fields.refuse(f"{key} names {pattern[:100]!r}, and {module} is quantized in the files")
