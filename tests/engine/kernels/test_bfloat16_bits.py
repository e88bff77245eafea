"""The bit tricks of `kernels/decode.py` in bfloat16, step by step in torch: the interpreter does not compute in it."""

from __future__ import annotations

import torch
from torch import Tensor

from lacuna.engine.layers.quantized.nibbles import E2M1


def as_bfloat16(bits: Tensor) -> Tensor:
    return bits.to(torch.int16).view(torch.bfloat16)


def e4m3(code: Tensor) -> Tensor:
    return as_bfloat16((code & 0x80) << 8 | (code & 0x7F) << 4) * 2.0**120


def test_int4_is_exact() -> None:
    code, zero = torch.arange(16)[:, None], torch.arange(-8, 8)[None, :]
    levels = as_bfloat16(code | 0x4300) - 136.0
    assert torch.equal(levels.float(), code - 8.0)
    assert torch.equal((levels - zero.bfloat16()).float(), (code - 8 - zero).float())


def test_e4m3_is_exact() -> None:
    """But NaN, which loading refuses."""
    code = torch.arange(256)
    code = code[code & 0x7F != 0x7F]
    assert torch.equal(e4m3(code).float(), code.to(torch.uint8).view(torch.float8_e4m3fn).float())


def test_nvfp4_is_exact_and_stays_in_range() -> None:
    """Every number times every scale, none of which is negative, without what is left for the sum: 2**9."""
    code, scale = torch.arange(16)[:, None], torch.arange(127)[None, :]
    number = as_bfloat16((code & 8) << 12 | (code & 7) << 6)
    product = number * (e4m3(scale) * 2.0**117)
    assert product.dtype == torch.bfloat16
    values = torch.tensor(E2M1)[:, None] * scale.to(torch.uint8).view(torch.float8_e4m3fn).float()
    assert torch.equal(product.float() * 512, values)
    smallest = values[values > 0].min() / 512
    assert smallest > torch.finfo(torch.bfloat16).smallest_normal
