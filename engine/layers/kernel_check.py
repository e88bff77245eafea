"""Whether the kernels compute on a device what torch computes: each format, on weights of a few random numbers.

A GPU's bit tricks, a new compiler and an old driver are not what the tests' machines have: this finds out where it
counts, before a model is loaded, and compiles on the way what the model will use.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lacuna.engine.kernels.experts import experts
from lacuna.engine.kernels.experts import reference as experts_reference
from lacuna.engine.kernels.linear import linear, reference
from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

EXPERTS, TOKENS, TOP_K, HIDDEN, INNER = 4, 16, 2, 128, 64
TOLERANCE = 2.0**-5  # of the largest number: four roundings to bfloat16 one after the other are 2**-6 at most

Make = Callable[..., "Tensor | Codec"]


def differs(device: torch.device, dtype: torch.dtype) -> str:
    """What differs by more than its roundings, in words; "" where nothing does."""
    for name, make in FORMATS.items():
        if not _is_linear_right(make(HIDDEN, INNER), device, dtype):
            return f"product with {name}"
        gate_up, down = make(EXPERTS, 2 * INNER, HIDDEN), make(EXPERTS, HIDDEN, INNER)
        if not _are_experts_right(gate_up, down, device, dtype):
            return f"mixture of experts in {name}"
    return ""


def _is_linear_right(weight: Tensor | Codec, device: torch.device, dtype: torch.dtype) -> bool:
    x = _normal(TOKENS, INNER).to(dtype)
    weights = packed_kernels.as_kernels_take_it(weight.to(device))
    assert weights is not None
    return _is_close(linear(x.to(device), weights), reference(x.double(), _decoded(weight).double()))


def _are_experts_right(gate_up: Tensor | Codec, down: Tensor | Codec, device: torch.device, dtype: torch.dtype) -> bool:
    x = _normal(TOKENS, HIDDEN).to(dtype)
    share, expert = _normal(TOKENS, EXPERTS).softmax(-1).topk(TOP_K)
    share = share.to(dtype)
    first, second = (packed_kernels.as_kernels_take_it(bank.to(device)) for bank in (gate_up, down))
    assert first is not None and second is not None
    found = experts(x.to(device), expert.to(device), share.to(device), first, second)
    return _is_close(found, experts_reference(x.double(), expert, share, _decoded(gate_up), _decoded(down)))


def _is_close(found: Tensor, expected: Tensor) -> bool:
    difference = (found.cpu().double() - expected).abs().max()
    return bool(difference <= TOLERANCE * expected.abs().max())


def _decoded(weight: Tensor | Codec) -> Tensor:
    return (weight if isinstance(weight, Tensor) else weight.decode(torch.float32)).double()


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _bytes(*shape: int, below: int = 256) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.uint8)


def _floats(*shape: int) -> Tensor:
    return (0.1 * _normal(*shape)).bfloat16()


def _fp8(*shape: int) -> Fp8:
    return Fp8(_normal(*shape).to(torch.float8_e4m3fn), _floats(*shape[:-1], 1))


def _int4(*shape: int) -> Int4:
    return Int4(_bytes(*shape[:-1], shape[-1] // 2), _floats(*shape[:-1], shape[-1] // 32))


def _int4_with_zero_points(*shape: int) -> Int4:
    zero = _bytes(*shape[:-1], shape[-1] // 32, below=16).to(torch.int8) - 8
    return Int4(_bytes(*shape[:-1], shape[-1] // 2), _floats(*shape[:-1], shape[-1] // 32), zero)


def _nvfp4(*shape: int) -> Nvfp4:
    """Block scales of every size, subnormal ones too; codes from 127 on are NaN and negative."""
    scale = _bytes(*shape[:-1], shape[-1] // 16, below=127).view(torch.float8_e4m3fn)
    return Nvfp4(_bytes(*shape[:-1], shape[-1] // 2), scale, torch.full((*shape[:-2], 2), 0.001))


FORMATS: dict[str, Make] = {
    "bfloat16": _floats,
    "FP8": _fp8,
    "INT4": _int4,
    "INT4 with zero points": _int4_with_zero_points,
    "NVFP4": _nvfp4,
}
