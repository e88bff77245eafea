"""Root-mean-square norms (arXiv 1910.07467) of rows, alone or of the sum that goes on as the residual stream.

One program has a row in its registers: it is read and written once. Arithmetic is in float32, results are rounded where
torch's own operations round them, so that a kernel computes what they do one after the other.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional


def rms_norm(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """x / rms(x) * weight along the last dimension, in the shape and type of x; `weight` has shape [width]."""
    rows = as_rows(x)
    normed = torch.empty_like(rows)
    block, warps = block_of(rows)
    _norm_kernel[rows.shape[0],](rows, weight, normed, rows.shape[1], eps, BLOCK=block, num_warps=warps)
    return normed.view(x.shape)


def rms_norm_reference(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """The same in torch."""
    return functional.rms_norm(x, x.shape[-1:], weight, eps)


def add_norm(x: Tensor, added: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x + added, and its norm times weight. Both are like x and `added`: any shape whose last dimension is the
    weight's."""
    rows, others = as_rows(x), as_rows(added)
    assert rows.shape == others.shape and rows.dtype == others.dtype, "both are of one shape and type"
    total, normed = torch.empty_like(rows), torch.empty_like(rows)
    block, warps = block_of(rows)
    _add_norm_kernel[rows.shape[0],](
        rows, others, weight, total, normed, rows.shape[1], eps, BLOCK=block, num_warps=warps
    )
    return total.view(x.shape), normed.view(x.shape)


def add_norm_reference(x: Tensor, added: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The same in torch."""
    total = x + added
    return total, rms_norm_reference(total, weight, eps)


def as_rows(x: Tensor) -> Tensor:
    """[rows, width], one row behind the other in memory."""
    return x.reshape(-1, x.shape[-1]).contiguous()


def block_of(rows: Tensor) -> tuple[int, int]:
    """Numbers of a program's vector, a power of 2, and its warps: 16 numbers a thread where that is possible."""
    block = triton.next_power_of_2(rows.shape[1])
    return block, min(max(block // 512, 1), 16)


@triton.jit
def load_vector(x, width, BLOCK: tl.constexpr):
    """`width` numbers in float32, zeros behind them."""
    at = tl.arange(0, BLOCK)
    return tl.load(x + at, mask=at < width, other=0.0).to(tl.float32)


@triton.jit
def load_row(x, row, width, BLOCK: tl.constexpr):
    """A row in float32, zeros behind its end."""
    return load_vector(x + row.to(tl.int64) * width, width, BLOCK)


@triton.jit
def store_row(x, row, values, width, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(x + row.to(tl.int64) * width + at, values.to(x.dtype.element_ty), mask=at < width)


@triton.jit
def rounded(values, like):
    """What is left of float32 numbers in the type that the pointer `like` has, in float32 again."""
    return values.to(like.dtype.element_ty).to(tl.float32)


@triton.jit
def inverse_rms(values, width, eps):
    """1 / rms of a row that is zero behind its end."""
    return 1.0 / tl.sqrt_rn(tl.sum(values * values, 0) / width + eps)


@triton.jit
def _norm_kernel(x, weight, normed, width, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    values = load_row(x, row, width, BLOCK)
    values *= inverse_rms(values, width, eps)
    if weight is not None:
        values *= load_vector(weight, width, BLOCK)
    store_row(normed, row, values, width, BLOCK)


@triton.jit
def _add_norm_kernel(x, added, weight, total, normed, width, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    values = rounded(load_row(x, row, width, BLOCK) + load_row(added, row, width, BLOCK), total)
    store_row(total, row, values, width, BLOCK)
    values *= inverse_rms(values, width, eps)
    store_row(normed, row, values * load_vector(weight, width, BLOCK), width, BLOCK)
