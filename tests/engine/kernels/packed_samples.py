"""Codecs of random numbers by format, for the tests of kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

FORMATS = ("float", "fp8", "int4", "int4 of 64", "int4 of 128", "int4, float16", "int4, zero points", "nvfp4")


def sample(name: str, *shape: int) -> Tensor | Codec:
    """[..., out, in], with numbers of about 1."""
    rows, packed = shape[:-1], (*shape[:-1], shape[-1] // 2)
    if name == "float":
        return torch.randn(shape).bfloat16()
    if name == "fp8":
        return Fp8(torch.randn(shape).to(torch.float8_e4m3fn), torch.rand(*rows, 1).bfloat16())
    payload = torch.randint(0, 256, packed, dtype=torch.uint8)
    if name == "nvfp4":
        # Every block scale there is but NaN and negative ones, subnormal ones too.
        scale = torch.randint(0, 127, (*rows, shape[-1] // 16), dtype=torch.uint8).view(torch.float8_e4m3fn)
        parts = 2 if shape[-2] % 2 == 0 else 1
        return Nvfp4(payload, scale, 0.01 * torch.rand(*shape[:-2], parts))
    groups = shape[-1] // (64 if "64" in name else 128 if "128" in name else 32)
    scale = (0.2 * torch.randn(*rows, groups)).to(torch.float16 if "float16" in name else torch.bfloat16)
    zero = torch.randint(-8, 8, (*rows, groups), dtype=torch.int8) if "zero" in name else None
    return Int4(payload, scale, zero)


def decoded(weight: Tensor | Codec) -> Tensor:
    """In float64, of what the codec makes of it in float32."""
    return (weight if isinstance(weight, Tensor) else weight.decode(torch.float32)).double()
