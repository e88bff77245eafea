"""Several matrices of one codec as one: their rows one below the other, so that a product launches once for all."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import torch

from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4


def joined(codecs: Sequence[Codec]) -> Codec | None:
    """The same weights [sum of out, in], of matrices [out, in]; None where they are packed in different ways, or in one
    that is not known to be joined."""
    first, kind = codecs[0], type(codecs[0])
    if any(type(codec) is not kind or _form(codec) != _form(first) for codec in codecs):
        return None
    if kind is Fp8:
        return Fp8(_rows(codecs, "payload"), _rows(codecs, "scale"))
    if kind is Int4:
        zero = _rows(codecs, "zero_point") if isinstance(first, Int4) and first.zero_point is not None else None
        return Int4(_rows(codecs, "payload"), _rows(codecs, "scale"), zero)
    if kind is Nvfp4:
        return Nvfp4(_rows(codecs, "payload"), _rows(codecs, "scale"), _global_scales(codecs))
    return None


def _form(codec: Codec) -> tuple[object, ...]:
    """What must be the same: width, groups, and the types of what is beside the payload."""
    parts = codec.parts()
    per_row = [(name, part.dtype, part.shape[1:]) for name, part in parts.items() if name != "global_scale"]
    return (*per_row, "global_scale" in parts)


def _rows(codecs: Sequence[Codec], name: str) -> torch.Tensor:
    parts = [getattr(codec, name) for codec in codecs]
    if parts[0].dtype == torch.float8_e4m3fn:  # the same bytes, whatever a device does with the type
        return torch.cat([part.view(torch.uint8) for part in parts]).view(torch.float8_e4m3fn)
    return torch.cat(parts)


def _global_scales(codecs: Sequence[Codec]) -> torch.Tensor:
    """One for each of as few runs of equally many rows as there can be."""
    scales = [codec.global_scale for codec in codecs if isinstance(codec, Nvfp4)]
    each = [codec.shape[0] // len(scale) for codec, scale in zip(codecs, scales, strict=True)]
    rows = gcd(*each)
    return torch.cat([scale.repeat_interleave(count // rows) for scale, count in zip(scales, each, strict=True)])
