"""The gate of a feed-forward block: act(gate) * up, in one launch. SwiGLU and GEGLU are arXiv 2002.05202."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels.norms import rounded

BLOCK = 1024  # numbers of a program


def silu_times(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up, both [tokens, inner], whose rows may lie apart; the result is dense."""
    return _launched(gate, up, False)


def gelu_times(gate: Tensor, up: Tensor) -> Tensor:
    """gelu(gate) * up with GELU's approximation by tanh, likewise."""
    return _launched(gate, up, True)


def silu_reference(gate: Tensor, up: Tensor) -> Tensor:
    return functional.silu(gate) * up


def gelu_reference(gate: Tensor, up: Tensor) -> Tensor:
    return functional.gelu(gate, approximate="tanh") * up


def _launched(gate: Tensor, up: Tensor, is_gelu: bool) -> Tensor:
    assert gate.shape == up.shape and gate.dtype == up.dtype and gate.dim() == 2, "both are [tokens, inner]"
    assert gate.stride(1) == up.stride(1) == 1, "numbers of a row are neighbours"
    result = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    tokens, inner = gate.shape
    _kernel[tokens, triton.cdiv(inner, BLOCK)](
        gate, up, result, inner, gate.stride(0), up.stride(0), IS_GELU=is_gelu, SIZE=BLOCK, num_warps=4
    )
    return result


@triton.jit
def _kernel(gate, up, result, inner, gate_stride, up_stride, IS_GELU: tl.constexpr, SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * SIZE + tl.arange(0, SIZE)
    x = tl.load(gate + row * gate_stride + at, mask=at < inner, other=0.0).to(tl.float32)
    other = tl.load(up + row * up_stride + at, mask=at < inner, other=0.0).to(tl.float32)
    steep = x
    if IS_GELU:  # 1 + tanh(y) = 2 / (1 + exp(-2 y))
        steep = 1.5957691216057308 * (x + 0.044715 * x * x * x)  # 2 sqrt(2 / pi)
    active = rounded(x / (1.0 + tl.exp(-steep)), gate)
    tl.store(result + row * inner + at, (active * other).to(result.dtype.element_ty), mask=at < inner)
