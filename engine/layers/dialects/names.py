"""Which weight of a model a stored tensor belongs to, and what it is of it: payload, scales, or a remark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]

ROLES = {
    "weight": "weight",
    "weight_packed": "packed",
    "weight_scale": "scale",
    "weight_scale_2": "scale_2",
    "weight_global_scale": "global_scale",
    "weight_zero_point": "zero_point",
    "weight_shape": "shape",
    "weight_g_idx": "g_idx",
}
# What belongs to activations and to caches in 8 bits: Lacuna computes both in the model's own type.
UNUSED = frozenset({"input_scale", "input_global_scale", "input_zero_point", "k_scale", "v_scale", "q_scale"})
_EXPERT = re.compile(r"(.+\.experts)\.(\d{1,5})\.(gate|up|down)_proj")
_JOINED = {"gate": ("gate_up_proj", 0), "up": ("gate_up_proj", 1), "down": ("down_proj", 0)}


@dataclass(frozen=True)
class Place:
    """Where a stored tensor belongs. `expert` and `part` are None where it is of a whole weight."""

    weight: str
    role: str
    expert: int | None = None
    part: int | None = None  # of the matrices that a weight joins: 0 gate, 1 up


def is_unused(name: str) -> bool:
    return name.rpartition(".")[2] in UNUSED


def parts(weight: str) -> int:
    """How many matrices with equally many rows a model's weight joins."""
    return 2 if weight.endswith("gate_up_proj") else 1


def place(name: str, shapes: Mapping[str, Shape]) -> Place | None:
    """The place of a stored tensor among weights with these names and shapes; None for one that has none.

    Experts stand one by one (`experts.3.gate_proj.weight_packed`) or as banks (`experts.gate_up_proj_packed`, or with
    `.weight_packed`).
    """
    if name in shapes:
        return Place(name, "weight")
    module, _, suffix = name.rpartition(".")
    if suffix in ROLES:
        if f"{module}.weight" in shapes:
            return Place(f"{module}.weight", ROLES[suffix])
        if module in shapes:
            return Place(module, ROLES[suffix])
        return _of_expert(module, ROLES[suffix], shapes)
    for role in set(ROLES.values()) - {"weight"}:
        weight = name.removesuffix(f"_{role}")
        if weight != name and len(shapes.get(weight, ())) == 3:
            return Place(weight, role)
    return None


def _of_expert(module: str, role: str, shapes: Mapping[str, Shape]) -> Place | None:
    found = _EXPERT.fullmatch(module)
    if found is None:
        return None
    joined, part = _JOINED[found[3]]
    weight, expert = f"{found[1]}.{joined}", int(found[2])
    if weight not in shapes or expert >= shapes[weight][0]:
        return None
    return Place(weight, role, expert, part)
