"""Attention over a cache: all that may be seen, what is behind each token, or what a tree of drafts says.

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

from lacuna.engine.kernels.slots import Slots, bounds, buffers

EVERYTHING = 1 << 30  # a window that hides nothing


def cache_attention(
    queries: Tensor,
    slots: Tensor,
    pairs: int,
    scale: float = 1.0,
    is_causal: bool = False,
    window: int | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """[rows, tokens, heads * head_dim] for queries [rows, tokens, heads, head_dim], with scores times `scale`.

    `slots` is a row of `slots.table` on the device: without more, every query sees all of its slots from the first on.
    Where it `is_causal`, query i has its own key at slot start + i and sees that and what is before it; with a
    `window`, of these the last so many. A `mask`, bool [tokens, at least as many as the slots], says by slot what each
    query sees (tree attention); who sees nothing finds zeros.
    """
    rows, tokens, heads, width = queries.shape
    assert heads % pairs == 0 and not (is_causal and mask is not None), "one way to say what is seen"
    assert mask is None or (mask.shape[0] == tokens and mask.is_contiguous()), "a row for each query"
    queries = queries.contiguous()
    mixed = torch.empty_like(queries)
    block, block_m, block_n, warps = blocks(width, queries.dtype)
    _kernel[triton.cdiv(tokens * heads // pairs, block_m), pairs, rows](
        queries,
        slots,
        mask if mask is None else mask.view(torch.uint8),
        mixed,
        tokens,
        heads,
        heads // pairs,
        0 if mask is None else mask.shape[1],
        EVERYTHING if window is None else window,
        scale,
        IS_CAUSAL=is_causal,
        WIDTH=width,
        BLOCK=block,
        M=block_m,
        N=block_n,
        num_warps=warps,
        num_stages=2,
    )
    return mixed.flatten(2)


def reference(
    queries: Tensor,
    slots: Slots,
    scale: float = 1.0,
    is_causal: bool = False,
    window: int | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The same in torch, always with a mask."""
    tokens, seen = queries.shape[1], slice(slots.first, slots.stop)
    keys, values = slots.keys[:, :, seen], slots.values[:, :, seen]
    slot = torch.arange(slots.first, slots.stop, device=queries.device)
    if mask is None:
        mask = torch.ones(tokens, len(slot), dtype=torch.bool, device=queries.device)
    if is_causal:
        own = slots.start + torch.arange(tokens, device=queries.device)[:, None]
        mask = (slot <= own) & (slot > own - (EVERYTHING if window is None else window))
    mixed = functional.scaled_dot_product_attention(
        queries.transpose(1, 2), keys, values, attn_mask=mask[:, : len(slot)], scale=scale, enable_gqa=True
    )
    return mixed.transpose(1, 2).flatten(2)


def fits(width: int, dtype: torch.dtype) -> bool:
    """Whether heads of so many numbers fit into a program: 512 in 16 bits do, or 256 in float32."""
    return triton.next_power_of_2(width) * dtype.itemsize <= 1024


def blocks(width: int, dtype: torch.dtype) -> tuple[int, int, int, int]:
    """Numbers of a head's vector, queries and slots of a program, and its warps.

    The most that fits into the registers and the 99 KiB of shared memory of the smallest cards: 64 queries of up to 256
    numbers in 16 bits, or half as many of what is larger. In float32 always half as many: of 64 rows Triton makes
    products in TF32 on sm_100, whatever precision is asked for, and heads of 128 spill on sm_86.
    """
    block = max(triton.next_power_of_2(width), 16)
    large = block > 256 or dtype.itemsize > 2
    return block, 32 if large else 64, 16 if large else 32, 8


@triton.jit
def _read(first, start, stop, group, window, IS_CAUSAL: tl.constexpr, M: tl.constexpr):
    """The first slot that this program reads, and the one after the last: what none of its queries sees is left out."""
    if IS_CAUSAL:
        place = tl.program_id(0) * M
        first = tl.maximum(start + place // group - window + 1, first)
        stop = tl.minimum(start + (place + M - 1) // group + 1, stop)
    return first, stop


@triton.jit
def _seen(slot, own, stop, window, IS_CAUSAL: tl.constexpr):
    """[queries, slots of a block], of queries whose own keys are at `own`."""
    seen = slot[None, :] < stop
    if IS_CAUSAL:
        seen = seen & (slot[None, :] <= own[:, None]) & (slot[None, :] > own[:, None] - window)
    return seen


@triton.jit
def _weighed(scores, top):
    """Weights of a block's scores, what those before are to be multiplied with now, and the highest score by now."""
    higher = tl.maximum(top, tl.max(scores, 1))
    base = tl.where(higher == -float("inf"), 0.0, higher)  # nothing seen yet
    return tl.exp(scores - base[:, None]), tl.exp(top - base), higher


@triton.jit(do_not_specialize=["tokens"])
def _kernel(
    queries,
    slots,
    mask,
    mixed,
    tokens,
    heads,
    group,
    mask_width,
    window,
    scale,
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
    keys, values, row_stride, head_stride = buffers(slots, queries, WIDTH)
    source = row * row_stride + pair * head_stride
    origin, own, end = bounds(slots)
    first, stop = _read(origin, own, end, group, window, IS_CAUSAL, M)
    top, total = tl.full([M], -float("inf"), tl.float32), tl.zeros([M], tl.float32)
    found = tl.zeros([M, BLOCK], tl.float32)
    for start in range(first, stop, N):
        slot = start + tl.arange(0, N)
        at = source + slot.to(tl.int64)[:, None] * WIDTH + width[None, :]
        whole = (slot < stop)[:, None] & (width < WIDTH)[None, :]
        key = tl.load(keys + at, mask=whole, other=0.0)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
        seen = _seen(slot, own + token, stop, window, IS_CAUSAL)
        if mask is not None:
            column = mask + token[:, None].to(tl.int64) * mask_width + (slot - origin)[None, :]
            seen = seen & (tl.load(column, mask=seen & (token < tokens)[:, None], other=0) != 0)
        weights, fade, top = _weighed(tl.where(seen, scores, -float("inf")), top)
        total = total * fade + tl.sum(weights, 1)
        value = tl.load(values + at, mask=whole, other=0.0)
        found = tl.dot(weights.to(value.dtype), value, found * fade[:, None], input_precision="ieee")
    result = found / tl.where(total == 0.0, 1.0, total)[:, None]
    tl.store(mixed + address[:, None] + width[None, :], result.to(mixed.dtype.element_ty), mask=there)
