"""The experts' second product, of each pair with its own expert, times the pair's share."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from lacuna.engine.kernels.align import Aligned
from lacuna.engine.kernels.decode import of_expert, row_factor, weight_tile
from lacuna.engine.kernels.weights import Blocks, Weights, dtype_of


def expert_down(x: Tensor, down: Weights, share: Tensor, aligned: Aligned, blocks: Blocks) -> Tensor:
    """[pairs, hidden] for x [pairs, inner], a bank [experts, hidden, inner] and shares of any shape, one a pair."""
    assert x.is_contiguous() and share.is_contiguous() and share.numel() == len(x) and aligned.rows == blocks.rows
    out = x.new_empty(len(x), down.outputs)
    grid = (aligned.most, triton.cdiv(down.outputs, blocks.outputs))
    expert_down_kernel[grid](
        x, out, share, aligned.pair, aligned.expert, aligned.used, len(x),
        **down.arguments(), **blocks.arguments(down), DT=dtype_of(x),
    )  # fmt: skip
    return out


def reference(x: Tensor, down: Tensor, share: Tensor, expert: Tensor) -> Tensor:
    """The same in torch, with decoded weights, for the chosen experts [tokens, top_k]."""
    return (down[expert.flatten()] @ x[:, :, None].to(down.dtype))[..., 0] * share.flatten()[:, None]


@triton.jit(do_not_specialize=["pairs"])
def expert_down_kernel(
    x, out, share, pair, expert, used, pairs, payload, scale, zero, whole, outputs, inner, payload_stride,
    scale_stride, part, FORMAT: tl.constexpr, GROUP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, EVEN: tl.constexpr, DT: tl.constexpr,
):  # fmt: skip
    """A program computes BN outputs of a block of pairs; its rows are written to the pairs' places."""
    block = tl.program_id(0)
    if block >= tl.load(used):
        return
    number = tl.load(expert + block).to(tl.int64)
    own = tl.load(pair + block * BM + tl.arange(0, BM))
    inside = tl.minimum(own, pairs - 1)
    x += inside.to(tl.int64)[:, None] * inner
    output = tl.program_id(1) * BN + tl.arange(0, BN)
    row = tl.minimum(output, outputs - 1)
    payload += number * outputs * payload_stride
    scale, zero, whole = of_expert(scale, zero, whole, number, outputs, scale_stride, part, FORMAT)
    total = tl.zeros((BM, BN), tl.float32)
    for step in range(0, tl.cdiv(inner, BK)):
        tile = weight_tile(
            payload, scale, zero, row, step, inner, payload_stride, scale_stride, FORMAT, GROUP, BK, EVEN, DT
        )
        column = step * BK + tl.arange(0, BK)  # x is read last: first, 32 rows of it with INT4 spill 8 bytes on sm_90
        left = tl.load(x + column[None, :]) if EVEN else tl.load(x + column[None, :], (column < inner)[None, :], 0)
        total = tl.dot(left, tl.trans(tile), total, input_precision="ieee")
    total *= row_factor(scale, whole, row, part, FORMAT, DT)[None, :]
    total *= tl.load(share + inside).to(tl.float32)[:, None]
    place = own.to(tl.int64)[:, None] * outputs + output[None, :]
    tl.store(out + place, total.to(DT), (own < pairs)[:, None] & (output < outputs)[None, :])
