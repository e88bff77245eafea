"""What a codec keeps of each stored tensor: its fields, and how a tensor of a dialect becomes one, its values checked.

What headers cannot tell is checked here, when a tensor is read: codes that are no number, shapes and group indices
that are stored as values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lacuna.engine.layers.dialects.layouts import (
    FLOAT_FORMAT,
    FP8_FORMAT,
    GGUF_FORMATS,
    INT4_FORMAT,
    MODELOPT_FORMAT,
    MXFP4_FORMAT,
    NVFP4_FORMAT,
    Layout,
)
from lacuna.engine.layers.dialects.names import Shape
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.gguf_types import GGUF_TYPES
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.mxfp4 import Mxfp4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

_GGUF = {GGUF_FORMATS[name]: codec for name, codec in GGUF_TYPES.items()}
CODECS: dict[str, type[Codec]] = {
    FP8_FORMAT: Fp8,
    INT4_FORMAT: Int4,
    NVFP4_FORMAT: Nvfp4,
    MODELOPT_FORMAT: Nvfp4,
    MXFP4_FORMAT: Mxfp4,
    **_GGUF,
}
_FLOATS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


class BadValue(ValueError):
    """A tensor with values that its layout does not allow."""


def fields(layout: Layout, shape: Shape, parts: int, dtype: torch.dtype) -> dict[str, tuple[Shape, torch.dtype]]:
    """Shape and type of each field of a weight's codec; of floats there is one, the payload in `dtype`."""
    *lead, rows, columns = shape if len(shape) > 1 else (1, *shape)
    if layout.format == FLOAT_FORMAT:
        return {"payload": (shape, dtype)}
    if layout.format == FP8_FORMAT:
        scale = ((*lead, rows, 1), _FLOATS[layout.scale])
        return {"payload": (shape, torch.float8_e4m3fn), "scale": scale}
    if layout.format in _GGUF:
        codec = _GGUF[layout.format]
        return {"payload": ((*lead, rows, columns // codec.WEIGHTS * codec.BYTES), torch.uint8)}
    payload, blocks = ((*lead, rows, columns // 2), torch.uint8), (*lead, rows, columns // layout.group)
    if layout.format == INT4_FORMAT:
        zero = {} if layout.symmetric else {"zero_point": (blocks, torch.int8)}
        return {"payload": payload, "scale": (blocks, _FLOATS[layout.scale]), **zero}
    if layout.format == MXFP4_FORMAT:
        return {"payload": payload, "scale": (blocks, torch.float8_e8m0fnu)}
    global_scale = ((*lead, parts), torch.float32)
    return {"payload": payload, "scale": (blocks, torch.float8_e4m3fn), "global_scale": global_scale}


def field(layout: Layout, role: str, tensor: Tensor, shape: Shape, dtype: torch.dtype) -> tuple[str, Tensor] | None:
    """The field that a stored tensor of a matrix [out, in], or of a bank of them, becomes; None for a mere remark.

    What is to be floats comes as it is stored, or in `dtype` where it was packed. Raises BadValue.
    """
    if role in ("weight", "packed"):
        return "payload", _payload(layout, tensor, dtype)
    if role == "scale":
        return "scale", _scale(layout, tensor, shape)
    if role in ("global_scale", "scale_2"):
        return "global_scale", _global_scale(role, tensor, shape)
    if role == "zero_point":
        return "zero_point", _zero_point(tensor, shape[-2])
    _check_remark(role, tensor, shape, layout.group)
    return None


def _payload(layout: Layout, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if layout.format == INT4_FORMAT:
        return tensor.view(torch.uint8)  # little-endian words: the first of eight weights in the lowest bits
    if layout.format == FP8_FORMAT:
        _check_e4m3(tensor)
    packed = _GGUF.get(layout.format) or GGUF_TYPES.get(layout.unpacked)
    if packed is None:
        return tensor
    codec = packed(tensor)
    if not codec.scales_are_finite():
        raise BadValue("holds a scale that is not finite")
    return codec.decode(dtype) if layout.unpacked else tensor


def _scale(layout: Layout, tensor: Tensor, shape: Shape) -> Tensor:
    if layout.format == MXFP4_FORMAT:
        if bool((tensor == 0xFF).any()):
            raise BadValue("holds the code of NaN")
        return tensor.view(torch.float8_e8m0fnu)
    if layout.format in (NVFP4_FORMAT, MODELOPT_FORMAT):
        _check_e4m3(tensor)
        return tensor
    if not bool(tensor.isfinite().all()):
        raise BadValue("holds a scale that is not finite")
    if layout.format == FP8_FORMAT:
        per_row = tensor.reshape(*shape[:-1], 1) if tensor.numel() > 1 else tensor.reshape(1, 1)
        return per_row.expand(*shape[:-1], 1)
    return tensor


def _global_scale(role: str, tensor: Tensor, shape: Shape) -> Tensor:
    """As a factor, [..., 1]."""
    factor = tensor if role == "scale_2" else tensor.reciprocal()
    if not bool((factor.isfinite() & (factor > 0)).all()):
        raise BadValue("holds a global scale that is not positive and finite")
    return factor.reshape(*shape[:-2], 1)


def _zero_point(tensor: Tensor, rows: int) -> Tensor:
    """int8 [..., rows, groups] of words [..., rows / 8, groups]: they are packed along the rows, plus 8 each."""
    shifts = torch.arange(0, 32, 4, dtype=torch.int32)[:, None]
    stored = (tensor[..., None, :] >> shifts) & 15  # [..., words, 8, groups]
    return (stored - 8).to(torch.int8).flatten(-3, -2)[..., :rows, :]


def _check_remark(role: str, tensor: Tensor, shape: Shape, group: int) -> None:
    if role == "shape" and not bool((tensor[..., -2:] == torch.tensor(shape[-2:])).all()):
        raise BadValue(f"says {tensor.flatten().tolist()[:4]}, and the packed matrix is {list(shape)}")
    if role == "g_idx" and not bool((tensor == torch.arange(shape[-1]) // group).all()):
        raise BadValue("permutes the groups (act order), which is not supported")


def _check_e4m3(tensor: Tensor) -> None:
    if bool((tensor.view(torch.uint8) & 0x7F == 0x7F).any()):
        raise BadValue("holds the code of NaN")
