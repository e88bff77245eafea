"""From one product to attention in one launch: norms, rotation (RoFormer, arXiv 2104.09864), keys and values stored.

A program has one head of one token. With norms it is what DiffusionGemma does, without them, and with a bias, what the
decoder of Llama and Qwen 2 does. Arithmetic is in float32, and rounded where torch's operations round.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels.norms import rounded
from lacuna.engine.kernels.slots import Slots, bounds, buffers


def rope_to_cache(
    qkv: Tensor,
    cos_sin: tuple[Tensor, Tensor],
    slots: Tensor,
    heads: int,
    pairs: int,
    norm: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 0.0,
) -> Tensor:
    """Turned queries [rows, tokens, heads, head_dim] of `qkv`, [rows, tokens, all heads, head_dim].

    First stand the `heads` of queries, then those of keys, one for each of the `pairs`, then those of values. Where
    there are none, the values are the keys before they are turned. Keys and values go where `slots` says, a row of
    `slots.table` on the device. `cos_sin` are cosines and signed sines of the tokens' positions, [tokens, 1, head_dim]
    each. With `norm`, [heads + pairs, head_dim], every head is divided by its rms, and queries and keys are multiplied
    by it. `bias` has shape [all heads * head_dim].
    """
    rows, tokens, every, width = qkv.shape
    assert every - heads in (pairs, 2 * pairs), f"{every} heads are not {heads} and those of {pairs} pairs"
    assert width % 2 == 0, "a head has two halves"
    cos, sin = (table.reshape(tokens, width).contiguous() for table in cos_sin)
    queries = qkv.new_empty(rows, tokens, heads, width)
    _kernel[rows * tokens, heads + pairs](
        qkv.contiguous(),
        norm,
        bias,
        cos,
        sin,
        queries,
        slots,
        tokens,
        heads,
        every,
        every - pairs,
        eps,
        WIDTH=width,
        BLOCK=triton.next_power_of_2(width),
        num_warps=triton.next_power_of_2(max(width // 256, 1)),
    )
    return queries


def reference(
    qkv: Tensor,
    cos_sin: tuple[Tensor, Tensor],
    slots: Slots,
    heads: int,
    norm: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 0.0,
) -> Tensor:
    """The same in torch."""
    pairs, width = slots.keys.shape[1], qkv.shape[-1]
    if bias is not None:
        qkv = qkv + bias.view(-1, width)
    if norm is not None:
        qkv = functional.rms_norm(qkv, (width,), None, eps)
    turned = qkv[:, :, : heads + pairs] if norm is None else qkv[:, :, : heads + pairs] * norm
    turned = torch.addcmul(turned * cos_sin[0], turned.roll(width // 2, -1), cos_sin[1])
    count = slots.stop - slots.start
    slots.keys[:, :, slots.start : slots.stop] = turned[:, :count, heads:].transpose(1, 2)
    slots.values[:, :, slots.start : slots.stop] = qkv[:, :count, -pairs:].transpose(1, 2)
    return turned[:, :, :heads]


@triton.jit
def _numbers(qkv, bias, start, place, at, WIDTH: tl.constexpr):
    """Numbers `at` of a head that starts at `start`, in float32; its bias starts at `place`."""
    values = tl.load(qkv + start + at, mask=at < WIDTH, other=0.0).to(tl.float32)
    if bias is not None:
        values = rounded(values + tl.load(bias + place + at, mask=at < WIDTH, other=0.0).to(tl.float32), qkv)
    return values


@triton.jit
def _turned(qkv, norm, bias, cos, sin, start, head, token, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """A head of queries or keys, normed where there is a norm, at its position."""
    at = tl.arange(0, BLOCK)
    opposite = tl.where(at < WIDTH, (at + WIDTH // 2) % WIDTH, at)
    near = _numbers(qkv, bias, start, head * WIDTH, at, WIDTH)
    far = _numbers(qkv, bias, start, head * WIDTH, opposite, WIDTH)
    if norm is not None:
        scale = 1.0 / tl.sqrt_rn(tl.sum(near * near, 0) / WIDTH + eps)
        weight = norm + head * WIDTH
        near = rounded(near * scale, qkv) * tl.load(weight + at, mask=at < WIDTH, other=0.0).to(tl.float32)
        far = rounded(far * scale, qkv) * tl.load(weight + opposite, mask=at < WIDTH, other=0.0).to(tl.float32)
        near, far = rounded(near, qkv), rounded(far, qkv)
    cosines = tl.load(cos + token * WIDTH + at, mask=at < WIDTH, other=0.0).to(tl.float32)
    sines = tl.load(sin + token * WIDTH + at, mask=at < WIDTH, other=0.0).to(tl.float32)
    return (rounded(near * cosines, qkv) + far * sines).to(qkv.dtype.element_ty)


@triton.jit(do_not_specialize=["tokens"])
def _kernel(
    qkv,
    norm,
    bias,
    cos,
    sin,
    queries,
    slots,
    tokens,
    heads,
    every,
    first_value,
    eps,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    place, head, at = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.arange(0, BLOCK)
    row, token = place // tokens, place % tokens
    turned = _turned(qkv, norm, bias, cos, sin, (place * every + head) * WIDTH, head, token, eps, WIDTH, BLOCK)
    if head < heads:
        tl.store(queries + (place * heads + head) * WIDTH + at, turned, mask=at < WIDTH)
    else:
        keys, values, row_stride, head_stride = buffers(slots, qkv, WIDTH)
        _, start, stop = bounds(slots)
        slot = row * row_stride + (head - heads) * head_stride + (start + token) * WIDTH
        inside = (at < WIDTH) & (start + token < stop)
        tl.store(keys + slot + at, turned, mask=inside)
        source = first_value + head - heads
        value = _numbers(qkv, bias, (place * every + source) * WIDTH, source * WIDTH, at, WIDTH)
        if norm is not None:
            value *= 1.0 / tl.sqrt_rn(tl.sum(value * value, 0) / WIDTH + eps)
        tl.store(values + slot + at, value.to(qkv.dtype.element_ty), mask=inside)
