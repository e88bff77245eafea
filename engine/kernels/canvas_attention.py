"""Attention over a cache without a mask in memory: a canvas sees every slot, what is read sees what is behind it.

Flash attention (arXiv 2205.14135, 2307.08691): softmax(q k^T) v over blocks of slots, with the running maximum and sum
of every query. The query heads that share a key head are rows of one product, so that its keys are read once for all.
Products are made of the numbers' own type with sums in float32; weights are rounded to it before the second one.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional


def canvas_attention(
    queries: Tensor, keys: Tensor, values: Tensor, behind: int | None = None, window: int | None = None
) -> Tensor:
    """[rows, tokens, heads * head_dim] for queries [rows, tokens, heads, head_dim]. Scores are not scaled.

    Keys and values have shape [rows, kv_heads, slots, head_dim], and a dense last dimension. Without `behind` every
    query sees every slot. With it, query i has its own key at slot `behind` + i and sees that and what is before it;
    with a `window`, of these the last so many.
    """
    rows, tokens, heads, width = queries.shape
    pairs, slots = keys.shape[1:3]
    assert keys.shape == values.shape == (rows, pairs, slots, width) and heads % pairs == 0, "one cache row for each"
    assert keys.stride() == values.stride() and keys.stride(3) == 1, "both caches are laid out alike"
    assert behind is None or behind + tokens <= slots, "every query has its own key"
    queries = queries.contiguous()
    mixed = torch.empty_like(queries)
    block, block_m, block_n, warps = blocks(width, queries.dtype)
    _kernel[triton.cdiv(tokens * heads // pairs, block_m), pairs, rows](
        queries,
        keys,
        values,
        mixed,
        tokens,
        slots,
        heads,
        heads // pairs,
        *keys.stride()[:3],
        0 if behind is None else behind,
        slots if window is None else window,
        IS_CAUSAL=behind is not None,
        WIDTH=width,
        BLOCK=block,
        M=block_m,
        N=block_n,
        num_warps=warps,
        num_stages=2,
    )
    return mixed.flatten(2)


def reference(
    queries: Tensor, keys: Tensor, values: Tensor, behind: int | None = None, window: int | None = None
) -> Tensor:
    """The same in torch, with a mask."""
    mask = None
    if behind is not None:
        own = behind + torch.arange(queries.shape[1], device=queries.device)[:, None]
        slot = torch.arange(keys.shape[2], device=queries.device)
        mask = (slot <= own) & (slot > own - (keys.shape[2] if window is None else window))
    mixed = functional.scaled_dot_product_attention(
        queries.transpose(1, 2), keys, values, attn_mask=mask, scale=1.0, enable_gqa=True
    )
    return mixed.transpose(1, 2).flatten(2)


def fits(width: int, dtype: torch.dtype) -> bool:
    """Whether heads of so many numbers fit into a program: 512 in 16 bits do, or 256 in float32."""
    return triton.next_power_of_2(width) * dtype.itemsize <= 1024


def blocks(width: int, dtype: torch.dtype) -> tuple[int, int, int, int]:
    """Numbers of a head's vector, queries and slots of a program, and its warps.

    The most that fits into the registers and the 99 KiB of shared memory of the smallest cards: 64 queries of up to 256
    numbers in 16 bits, or half as many of what is larger.
    """
    block = max(triton.next_power_of_2(width), 16)
    large = block * dtype.itemsize > 512
    return block, 32 if large else 64, 16 if large else 32, 8


@triton.jit
def _bounds(slots, group, behind, window, IS_CAUSAL: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    """The first slot that this program reads, and the one after the last: what none of its queries sees is left out."""
    first, stop = 0, slots
    if IS_CAUSAL:
        start = tl.program_id(0) * M
        first = tl.maximum(behind + start // group - window + 1, 0) // N * N
        stop = tl.minimum(behind + (start + M - 1) // group + 1, slots)
    return first, stop


@triton.jit
def _seen(slot, own, slots, window, IS_CAUSAL: tl.constexpr):
    """[queries, slots of a block], of queries whose own keys are at `own`."""
    seen = slot[None, :] < slots
    if IS_CAUSAL:
        seen = seen & (slot[None, :] <= own[:, None]) & (slot[None, :] > own[:, None] - window)
    return seen


@triton.jit
def _weighed(scores, top):
    """Weights of a block's scores, what those before are to be multiplied with now, and the highest score by now."""
    higher = tl.maximum(top, tl.max(scores, 1))
    base = tl.where(higher == -float("inf"), 0.0, higher)  # nothing seen yet
    return tl.exp(scores - base[:, None]), tl.exp(top - base), higher


@triton.jit
def _kernel(
    queries,
    keys,
    values,
    mixed,
    tokens,
    slots,
    heads,
    group,
    row_stride,
    head_stride,
    slot_stride,
    behind,
    window,
    IS_CAUSAL: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
):
    pair, row = tl.program_id(1), tl.program_id(2).to(tl.int64)
    place = tl.program_id(0) * M + tl.arange(0, M)  # a token's query heads one behind the other
    token, width = place // group, tl.arange(0, BLOCK)
    address = ((row * tokens + token) * heads + pair * group + place % group) * WIDTH
    there = (token < tokens)[:, None] & (width < WIDTH)[None, :]
    query = tl.load(queries + address[:, None] + width[None, :], mask=there, other=0.0)
    source = row * row_stride + pair.to(tl.int64) * head_stride
    first, stop = _bounds(slots, group, behind, window, IS_CAUSAL, M, N)
    top, total = tl.full([M], -float("inf"), tl.float32), tl.zeros([M], tl.float32)
    found = tl.zeros([M, BLOCK], tl.float32)
    for start in range(first, stop, N):
        slot = start + tl.arange(0, N)
        at = source + slot.to(tl.int64)[:, None] * slot_stride + width[None, :]
        whole = (slot < slots)[:, None] & (width < WIDTH)[None, :]
        key = tl.load(keys + at, mask=whole, other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee")
        scores = tl.where(_seen(slot, behind + token, slots, window, IS_CAUSAL), scores, -float("inf"))
        weights, fade, top = _weighed(scores, top)
        total = total * fade + tl.sum(weights, 1)
        value = tl.load(values + at, mask=whole, other=0.0)
        found = tl.dot(weights.to(value.dtype), value, found * fade[:, None], input_precision="ieee")
    result = found / total[:, None]
    tl.store(mixed + address[:, None] + width[None, :], result.to(mixed.dtype.element_ty), mask=there)
