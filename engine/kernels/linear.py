"""x W^T with W as it is packed: tiles of W are decoded between memory and the matrix units, and never stored."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from lacuna.engine.kernels.decode import row_factor, weight_tile
from lacuna.engine.kernels.weights import Blocks, Weights, dtype_of


def linear(x: Tensor, weights: Weights) -> Tensor:
    """[..., out] in x's type for x of shape [..., in], and `weights` of one matrix on the same device."""
    flat = x.reshape(-1, weights.inner).contiguous()
    out = flat.new_empty(len(flat), weights.outputs)
    if len(flat):
        blocks = Blocks.of(weights, len(flat))
        grid = (triton.cdiv(len(flat), blocks.rows), triton.cdiv(weights.outputs, blocks.outputs))
        linear_kernel[grid](flat, out, len(flat), **weights.arguments(), **blocks.arguments(weights), DT=dtype_of(x))
    return out.view(*x.shape[:-1], weights.outputs)


def reference(x: Tensor, decoded: Tensor) -> Tensor:
    """The same in torch, with the weights [out, in] that `weights` stands for."""
    return (x.to(decoded.dtype) @ decoded.t()).to(x.dtype)


@triton.jit(do_not_specialize=["tokens"])  # else 1, 16 times some and others compile anew
def linear_kernel(
    x, out, tokens, payload, scale, zero, whole, outputs, inner, payload_stride, scale_stride, part,
    FORMAT: tl.constexpr, GROUP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    EVEN: tl.constexpr, DT: tl.constexpr,
):  # fmt: skip
    """A program computes out[BM, BN]. Those of the same weights run one after the other: the first reads them from
    memory, the rest from the cache."""
    first = tl.program_id(1) * BN
    token = tl.program_id(0) * BM + tl.arange(0, BM)
    output = first + tl.arange(0, BN)
    # Rows outside are read from the last one inside, and not stored: no mask in the loop.
    x += tl.minimum(token, tokens - 1).to(tl.int64)[:, None] * inner
    row = tl.minimum(output, outputs - 1) - first
    # Large matrices have more than 2**31 weights: the base moves, and offsets stay small.
    payload += first.to(tl.int64) * payload_stride
    factor = row_factor(scale, whole, first + row, part, FORMAT, DT)
    if FORMAT == "int4" or FORMAT == "nvfp4":
        scale += first.to(tl.int64) * scale_stride
    if zero is not None:
        zero += first.to(tl.int64) * scale_stride
    total = tl.zeros((BM, BN), tl.float32)
    for step in range(0, tl.cdiv(inner, BK)):
        column = step * BK + tl.arange(0, BK)
        left = tl.load(x + column[None, :]) if EVEN else tl.load(x + column[None, :], (column < inner)[None, :], 0)
        right = weight_tile(
            payload, scale, zero, row, step, inner, payload_stride, scale_stride, FORMAT, GROUP, BK, EVEN, DT
        )
        total = tl.dot(left, tl.trans(right), total, input_precision="ieee")
    total *= factor[None, :]
    place = token.to(tl.int64)[:, None] * outputs + output[None, :]
    tl.store(out + place, total.to(DT), (token < tokens)[:, None] & (output < outputs)[None, :])
