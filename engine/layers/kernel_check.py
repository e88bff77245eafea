"""Whether the kernels compute on a device what torch computes, with a few random weights in one codec.

The tests' machines have no GPU. This finds out where it counts, before a model is loaded: whether Triton compiles there
at all, and whether what it makes is right.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lacuna.engine.kernels.elementwise_check import close
from lacuna.engine.kernels.experts import experts
from lacuna.engine.kernels.experts import reference as experts_reference
from lacuna.engine.kernels.linear import linear, reference
from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

EXPERTS, TOP_K, HIDDEN, INNER = 4, 2, 128, 64
TOKENS = (16, 160)  # of which programs take 16 and 64 rows: Hopper and Blackwell multiply with 64 in another way

Make = Callable[..., "Tensor | Codec"]


def differs(kind: type[Tensor | Codec], device: torch.device, dtype: torch.dtype) -> str:
    """What differs by more than its roundings, in words; "" where nothing does."""
    for make in SAMPLES[kind]:
        for tokens in TOKENS:
            if not _is_linear_right(make(INNER, HIDDEN), tokens, device, dtype):
                return f"product of {tokens} rows"
            gate_up, down = make(EXPERTS, 2 * INNER, HIDDEN), make(EXPERTS, HIDDEN, INNER)
            if not _are_experts_right(gate_up, down, tokens, device, dtype):
                return f"mixture of experts for {tokens} tokens"
    return ""


def _is_linear_right(weight: Tensor | Codec, tokens: int, device: torch.device, dtype: torch.dtype) -> bool:
    x = _normal(tokens, HIDDEN).to(dtype)
    found = linear(x.to(device), packed_kernels.as_kernels_take_it(weight.to(device)))
    return close([found.cpu()], [reference(x.double(), _decoded(weight))])


def _are_experts_right(
    gate_up: Tensor | Codec, down: Tensor | Codec, tokens: int, device: torch.device, dtype: torch.dtype
) -> bool:
    x = _normal(tokens, HIDDEN).to(dtype)
    share, expert = _normal(tokens, EXPERTS).softmax(-1).topk(TOP_K)
    share = share.to(dtype)
    first, second = (packed_kernels.as_kernels_take_it(bank.to(device)) for bank in (gate_up, down))
    found = experts(x.to(device), expert.to(device), share.to(device), first, second)
    return close([found.cpu()], [experts_reference(x.double(), expert, share, _decoded(gate_up), _decoded(down))])


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


SAMPLES: dict[type[Tensor | Codec], tuple[Make, ...]] = {
    Tensor: (_floats,),
    Fp8: (_fp8,),
    Int4: (_int4, _int4_with_zero_points),
    Nvfp4: (_nvfp4,),
}
