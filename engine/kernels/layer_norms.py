"""What stands between the products of a DiffusionGemma layer: two sums into the residual stream, with norms on the way.

`after_attention` and `after_feedforward` are one launch each, which takes along what stands before and behind: the sum
over a token's experts, the router's scale, the next layer's norm. As operations of torch they are seven and nine.
Results are rounded where those round theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from lacuna.engine.kernels.norms import (
    as_rows,
    block_of,
    inverse_rms,
    load_row,
    load_vector,
    rms_norm_reference,
    rounded,
    store_row,
)

Three = tuple[Tensor, Tensor, Tensor]


class Readings(NamedTuple):
    """Each [tokens, hidden], in the type of the residual stream."""

    x: Tensor  # the residual stream
    chosen: Tensor  # x / rms(x) times a weight, for the router
    dense: Tensor  # times another, for the dense block
    routed: Tensor  # and times another, for the experts


def after_attention(x: Tensor, attended: Tensor, post: Tensor, weights: Three, eps: float) -> Readings:
    """x + norm(attended) * post, and what is read of that. x and `attended` have shape [tokens, hidden], weights
    [hidden]."""
    x, attended = as_rows(x), as_rows(attended)
    assert x.shape == attended.shape and x.dtype == attended.dtype, "both are of one shape and type"
    read = Readings(*(torch.empty_like(x) for _ in Readings._fields))
    block, warps = block_of(x)
    _after_attention_kernel[x.shape[0],](
        x, attended, post, *weights, *read, x.shape[1], eps, BLOCK=block, num_warps=warps
    )
    return read


def after_attention_reference(x: Tensor, attended: Tensor, post: Tensor, weights: Three, eps: float) -> Readings:
    """The same in torch."""
    x = x + rms_norm_reference(attended, post, eps)
    normed = rms_norm_reference(x, None, eps)
    chosen, dense, routed = (normed * weight for weight in weights)
    return Readings(x, chosen, dense, routed)


def after_feedforward(
    x: Tensor, dense: Tensor, routed: Tensor, weights: Three, scalar: Tensor, following: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """(x + norm(norm(dense) * w0 + norm(sum of routed) * w1) * w2) * scalar, and the norm of that times `following`.

    x and `dense` have shape [tokens, hidden], `routed` [tokens, hidden] or one for each choice, [tokens, choices,
    hidden]; weights have shape [hidden], and the scalar is a tensor of one number.
    """
    choices = 1 if routed.dim() == 2 else routed.shape[1]
    x, dense, routed = as_rows(x), as_rows(dense), as_rows(routed.reshape(-1, routed.shape[-1]))
    assert x.shape == dense.shape and scalar.numel() == 1, "two of one shape, and a number"
    assert routed.shape == (choices * x.shape[0], x.shape[1]), "as many choices for every token"
    result, normed = torch.empty_like(x), torch.empty_like(x)
    block, warps = block_of(x)
    _after_feedforward_kernel[x.shape[0],](
        x, dense, routed, *weights, scalar, following, result, normed, x.shape[1], eps, CHOICES=choices, BLOCK=block,
        num_warps=warps,
    )  # fmt: skip
    return result, normed


def after_feedforward_reference(
    x: Tensor, dense: Tensor, routed: Tensor, weights: Three, scalar: Tensor, following: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The same in torch."""
    routed = routed if routed.dim() == 2 else routed.sum(1)
    both = rms_norm_reference(dense, weights[0], eps) + rms_norm_reference(routed, weights[1], eps)
    x = (x + rms_norm_reference(both, weights[2], eps)) * scalar
    return x, rms_norm_reference(x, following, eps)


@triton.jit
def _normed(values, weight, width, eps, like, BLOCK: tl.constexpr):
    """A row's norm times a weight, rounded."""
    return rounded(values * inverse_rms(values, width, eps) * load_vector(weight, width, BLOCK), like)


@triton.jit
def _after_attention_kernel(
    x, attended, post, chosen, dense, routed, sum_to, chosen_to, dense_to, routed_to, width, eps, BLOCK: tl.constexpr
):
    row = tl.program_id(0)
    added = _normed(load_row(attended, row, width, BLOCK), post, width, eps, x, BLOCK)
    total = rounded(load_row(x, row, width, BLOCK) + added, x)
    store_row(sum_to, row, total, width, BLOCK)
    normed = rounded(total * inverse_rms(total, width, eps), x)
    store_row(chosen_to, row, normed * load_vector(chosen, width, BLOCK), width, BLOCK)
    store_row(dense_to, row, normed * load_vector(dense, width, BLOCK), width, BLOCK)
    store_row(routed_to, row, normed * load_vector(routed, width, BLOCK), width, BLOCK)


@triton.jit
def _after_feedforward_kernel(
    x, dense, routed, dense_weight, routed_weight, weight, scalar, following, result, normed, width, eps,
    CHOICES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    first = _normed(load_row(dense, row, width, BLOCK), dense_weight, width, eps, x, BLOCK)
    together = load_row(routed, row * CHOICES, width, BLOCK)
    for choice in range(1, CHOICES):
        together += load_row(routed, row * CHOICES + choice, width, BLOCK)
    second = _normed(rounded(together, x), routed_weight, width, eps, x, BLOCK)
    added = _normed(rounded(first + second, x), weight, width, eps, x, BLOCK)
    total = rounded(load_row(x, row, width, BLOCK) + added, x)
    total = rounded(total * tl.load(scalar).to(tl.float32), x)
    store_row(result, row, total, width, BLOCK)
    store_row(normed, row, total * inverse_rms(total, width, eps) * load_vector(following, width, BLOCK), width, BLOCK)
