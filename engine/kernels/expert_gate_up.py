"""gelu(gate(x)) * up(x) of the experts that each token chose, in one pass over x and over gate's and up's weights."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels.align import Aligned
from lacuna.engine.kernels.decode import of_expert, row_factor, weight_tile
from lacuna.engine.kernels.weights import Blocks, Weights, dtype_of


def expert_gate_up(x: Tensor, gate_up: Weights, aligned: Aligned, blocks: Blocks, top_k: int) -> Tensor:
    """[tokens * top_k, inner] for x [tokens, hidden] and a bank of gate's rows above up's, [experts, 2 * inner,
    hidden]. Pair p is token p // top_k. `blocks` are those that `aligned` was made for."""
    assert x.is_contiguous() and aligned.rows == blocks.rows
    inner = gate_up.outputs // 2
    out = x.new_empty(len(x) * top_k, inner)
    grid = (aligned.most, triton.cdiv(inner, blocks.outputs))
    expert_gate_up_kernel[grid](
        x, out, aligned.pair, aligned.expert, aligned.used, len(out),
        **gate_up.arguments(), **blocks.arguments(gate_up), TOP_K=top_k, DT=dtype_of(x),
    )  # fmt: skip
    return out


def reference(x: Tensor, gate_up: Tensor, expert: Tensor) -> Tensor:
    """The same in torch, with decoded weights, for the chosen experts [tokens, top_k]."""
    both = (gate_up[expert.flatten()] @ x.repeat_interleave(expert.shape[1], 0)[:, :, None].to(gate_up.dtype))[..., 0]
    gate, up = both.chunk(2, dim=-1)
    return functional.gelu(gate, approximate="tanh") * up


@triton.jit
def gelu(x):
    """By the sigmoid: (1 + tanh(z)) / 2 is sigmoid(2 z). Interpreted Triton has no tanh."""
    return x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))  # 2 * sqrt(2 / pi)


@triton.jit(do_not_specialize=["pairs"])
def expert_gate_up_kernel(
    x, out, pair, expert, used, pairs, payload, scale, zero, whole, outputs, inner, payload_stride, scale_stride, part,
    FORMAT: tl.constexpr, GROUP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    EVEN: tl.constexpr, TOP_K: tl.constexpr, DT: tl.constexpr,
):  # fmt: skip
    """A program computes BN outputs of a block of pairs. The blocks of one expert stand beside each other, so that the
    weights they share come from the cache."""
    block = tl.program_id(0)
    if block >= tl.load(used):
        return
    number = tl.load(expert + block).to(tl.int64)
    own = tl.load(pair + block * BM + tl.arange(0, BM))
    x += (tl.minimum(own, pairs - 1) // TOP_K).to(tl.int64)[:, None] * inner
    half = outputs // 2
    output = tl.program_id(1) * BN + tl.arange(0, BN)
    gate = tl.minimum(output, half - 1)
    up = gate + half
    payload += number * outputs * payload_stride
    scale, zero, whole = of_expert(scale, zero, whole, number, outputs, scale_stride, part, FORMAT)
    gates = tl.zeros((BM, BN), tl.float32)
    ups = tl.zeros((BM, BN), tl.float32)
    for step in range(0, tl.cdiv(inner, BK)):
        column = step * BK + tl.arange(0, BK)
        left = tl.load(x + column[None, :]) if EVEN else tl.load(x + column[None, :], (column < inner)[None, :], 0)
        tile = weight_tile(
            payload, scale, zero, gate, step, inner, payload_stride, scale_stride, FORMAT, GROUP, BK, EVEN, DT
        )
        gates = tl.dot(left, tl.trans(tile), gates, input_precision="ieee")
        tile = weight_tile(
            payload, scale, zero, up, step, inner, payload_stride, scale_stride, FORMAT, GROUP, BK, EVEN, DT
        )
        ups = tl.dot(left, tl.trans(tile), ups, input_precision="ieee")
    gates *= row_factor(scale, whole, gate, part, FORMAT, DT)[None, :]
    ups *= row_factor(scale, whole, up, part, FORMAT, DT)[None, :]
    place = own.to(tl.int64)[:, None] * half + output[None, :]
    tl.store(out + place, (gelu(gates) * ups).to(DT), (own < pairs)[:, None] & (output < half)[None, :])
