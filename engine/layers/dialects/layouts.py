"""How a matrix is packed, from what the headers say of its tensors: their roles, types and shapes decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from lacuna.engine.layers.dialects.names import Shape
from lacuna.engine.layers.quantized import int4, mxfp4, nvfp4
from lacuna.engine.layers.quantized.gguf_types import GGUF_TYPES
from lacuna.engine.layers.safetensors_file import Header
from lacuna.engine.layers.weight_files import FLOATS

FP8_FORMAT, INT4_FORMAT = "float-quantized", "pack-quantized"
NVFP4_FORMAT, MXFP4_FORMAT, MODELOPT_FORMAT = "nvfp4-pack-quantized", "mxfp4-pack-quantized", "NVFP4 of modelopt"
GGUF_FORMATS = {name: f"{name} of GGUF" for name in GGUF_TYPES}
FLOAT_FORMAT = "floats"
SCALES = frozenset({"F16", "BF16", "F32"})


class Mismatch(ValueError):
    """Tensors of one matrix that are together no layout that is known: what is wrong with that of one role."""

    def __init__(self, role: str, problem: str) -> None:
        super().__init__(problem)
        self.role = role


@dataclass(frozen=True)
class Layout:
    """Matrices with equal layouts can stand in one bank."""

    format: str  # as compressed-tensors calls it, or of another dialect
    group: int = 0  # weights of one row that share a scale; 0 for the whole row
    symmetric: bool = True
    scale: str = ""  # the type of its scales
    unpacked: str = ""  # GGUF's type of floats that are decoded as they are read

    @property
    def words(self) -> str:
        group = f" in groups of {self.group}" if self.group else ""
        return f"{self.format}{group}{'' if self.symmetric else ', asymmetric'}"


def layout(shape: Shape, stored: Mapping[str, Header], may_be_packed: bool) -> Layout:
    """Of a matrix [out, in], or a bank of them, by the role of each of its tensors. Raises Mismatch.

    What may not be packed, norms and embeddings, is floats of any shape.
    """
    if not may_be_packed:
        return _floats(shape, stored)
    for role, kinds, read in _READERS:
        header = stored.get(role)
        if header is not None and header.dtype in kinds:
            return read(shape, stored)
    if not {"weight", "packed"} & stored.keys():
        raise Mismatch("weight", f"missing, though there is {', '.join(sorted(stored))}")
    role = "weight" if "weight" in stored else "packed"
    raise Mismatch(role, f"holds {stored[role].dtype}, which no codec here reads")


def _floats(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    """GGUF packs embeddings too, whose rows are looked up: they become floats when they are read."""
    kind = stored["weight"].dtype if "weight" in stored else ""
    if kind in GGUF_FORMATS and len(shape) == 2:
        _check(stored, {"weight": ({kind}, [shape])})
        return Layout(FLOAT_FORMAT, unpacked=kind)
    _check(stored, {"weight": (FLOATS, [shape])})
    return Layout(FLOAT_FORMAT)


def _fp8(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    per_tensor: list[Shape] = [(), (1,), (1, 1)] if len(shape) == 2 else []
    per_row: list[Shape] = [(*shape[:-1], 1), shape[:-1]]
    _check(stored, {"weight": ({"F8_E4M3"}, [shape]), "scale": (SCALES, per_row + per_tensor)})
    return Layout(FP8_FORMAT, scale=stored["scale"].dtype)


def _int4(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    *lead, rows, columns = shape
    groups = stored["scale"].shape[-1] if "scale" in stored and stored["scale"].shape else 0
    group = columns // groups if groups and columns % groups == 0 else 0
    if "scale" in stored and group not in int4.GROUPS:
        raise Mismatch("scale", f"{groups} groups in a row of {columns:,}; only groups of {int4.GROUPS} are known")
    if stored["packed"].shape == (*lead, rows, -(-columns // 4)):
        raise Mismatch("packed", "holds 8 bits a weight, and only 4 are known in this layout")
    optional = {
        "zero_point": ({"I32"}, [(*lead, -(-rows // 8), groups)]),
        "shape": ({"I64"}, [(2,), (len(shape),), (*lead, 2)]),
        "g_idx": ({"I32"}, [(columns,), (*lead, columns)]),
    }
    _check(
        stored,
        {"packed": ({"I32"}, [(*lead, rows, columns // 8)]), "scale": (SCALES, [(*lead, rows, groups)])},
        optional,
    )
    return Layout(INT4_FORMAT, group, "zero_point" not in stored, stored["scale"].dtype)


def _fp4(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    if "scale" in stored and stored["scale"].dtype == "U8":
        _check(stored, _blocks(shape, "packed", "U8", mxfp4.BLOCK))
        return Layout(MXFP4_FORMAT, mxfp4.BLOCK)
    expected = _blocks(shape, "packed", "F8_E4M3", nvfp4.BLOCK)
    _check(stored, expected | {"global_scale": ({"F32"}, _whole(shape))})
    return Layout(NVFP4_FORMAT, nvfp4.BLOCK)


def _modelopt(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    expected = _blocks(shape, "weight", "F8_E4M3", nvfp4.BLOCK)
    _check(stored, expected | {"scale_2": ({"F32"}, _whole(shape))})
    return Layout(MODELOPT_FORMAT, nvfp4.BLOCK)


def _gguf(shape: Shape, stored: Mapping[str, Header]) -> Layout:
    kind = stored["weight"].dtype
    _check(stored, {"weight": ({kind}, [shape])})
    return Layout(GGUF_FORMATS[kind])


Expected = Mapping[str, tuple[Set[str], list[Shape]]]
_READERS: tuple[tuple[str, Set[str], Callable[[Shape, Mapping[str, Header]], Layout]], ...] = (
    ("weight", FLOATS, _floats),
    ("weight", {"F8_E4M3"}, _fp8),
    ("weight", {"U8"}, _modelopt),
    ("weight", GGUF_FORMATS.keys(), _gguf),
    ("packed", {"I32"}, _int4),
    ("packed", {"U8"}, _fp4),
)


def _blocks(shape: Shape, payload: str, scale: str, block: int) -> dict[str, tuple[set[str], list[Shape]]]:
    *lead, rows, columns = shape
    if columns % block:
        raise Mismatch(payload, f"rows of {columns:,} weights are no whole blocks of {block}")
    return {
        payload: ({"U8"}, [(*lead, rows, columns // 2)]),
        "scale": ({scale}, [(*lead, rows, columns // block)]),
    }


def _whole(shape: Shape) -> list[Shape]:
    """Shapes of one number for each matrix."""
    *lead, _, _ = shape
    return [tuple(lead), (*lead, 1)] if lead else [(), (1,)]


def _check(stored: Mapping[str, Header], required: Expected, optional: Expected | None = None) -> None:
    """Raises Mismatch for what is missing, does not belong here, or has another type or shape."""
    known = {**required, **(optional or {})}
    for role in required:
        if role not in stored:
            raise Mismatch(role, "missing")
    for role, header in stored.items():
        if role not in known:
            raise Mismatch(role, f"not expected beside {', '.join(sorted(stored.keys() - {role}))}")
        kinds, shapes = known[role]
        if header.dtype not in kinds:
            raise Mismatch(role, f"holds {header.dtype}, expected {' or '.join(sorted(kinds))}")
        if header.shape not in shapes:
            raise Mismatch(role, f"expected {list(shapes[0])}, found {list(header.shape)}")
