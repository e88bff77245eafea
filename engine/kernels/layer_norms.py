"""What stands between the products of a DiffusionGemma layer: two sums into the residual stream, with norms on the way.

`after_attention` and `after_feedforward` are one launch each; as operations of torch they are six and seven. Results
are rounded where those round theirs.
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


class Readings(NamedTuple):
    """Each [tokens, hidden], in the type of the residual stream."""

    x: Tensor  # the residual stream
    normed: Tensor  # x / rms(x), for the router
    dense: Tensor  # the same times a weight, for the dense block
    routed: Tensor  # and times another, for the experts


def after_attention(x: Tensor, attended: Tensor, post: Tensor, dense: Tensor, routed: Tensor, eps: float) -> Readings:
    """x + norm(attended) * post, and what is read of that. x and `attended` have shape [tokens, hidden], weights
    [hidden]."""
    x, attended = as_rows(x), as_rows(attended)
    assert x.shape == attended.shape and x.dtype == attended.dtype, "both are of one shape and type"
    read = Readings(*(torch.empty_like(x) for _ in Readings._fields))
    block, warps = block_of(x)
    _after_attention_kernel[x.shape[0],](
        x, attended, post, dense, routed, *read, x.shape[1], eps, BLOCK=block, num_warps=warps
    )
    return read


def after_attention_reference(
    x: Tensor, attended: Tensor, post: Tensor, dense: Tensor, routed: Tensor, eps: float
) -> Readings:
    """The same in torch."""
    x = x + rms_norm_reference(attended, post, eps)
    normed = rms_norm_reference(x, None, eps)
    return Readings(x, normed, normed * dense, normed * routed)


def after_feedforward(
    x: Tensor, dense: Tensor, routed: Tensor, weights: tuple[Tensor, Tensor, Tensor], scalar: Tensor, eps: float
) -> Tensor:
    """(x + norm(norm(dense) * w0 + norm(routed) * w1) * w2) * scalar, for x, `dense` and `routed` of shape [tokens,
    hidden], weights of shape [hidden], and a scalar in a tensor of one number."""
    x, dense, routed = as_rows(x), as_rows(dense), as_rows(routed)
    assert x.shape == dense.shape == routed.shape and scalar.numel() == 1, "three of one shape, and a number"
    result = torch.empty_like(x)
    block, warps = block_of(x)
    _after_feedforward_kernel[x.shape[0],](
        x, dense, routed, *weights, scalar, result, x.shape[1], eps, BLOCK=block, num_warps=warps
    )
    return result


def after_feedforward_reference(
    x: Tensor, dense: Tensor, routed: Tensor, weights: tuple[Tensor, Tensor, Tensor], scalar: Tensor, eps: float
) -> Tensor:
    """The same in torch."""
    both = rms_norm_reference(dense, weights[0], eps) + rms_norm_reference(routed, weights[1], eps)
    return (x + rms_norm_reference(both, weights[2], eps)) * scalar


@triton.jit
def _normed(values, weight, width, eps, like, BLOCK: tl.constexpr):
    """A row's norm times a weight, rounded."""
    return rounded(values * inverse_rms(values, width, eps) * load_vector(weight, width, BLOCK), like)


@triton.jit
def _after_attention_kernel(
    x, attended, post, dense, routed, sum_to, normed_to, dense_to, routed_to, width, eps, BLOCK: tl.constexpr
):
    row = tl.program_id(0)
    added = _normed(load_row(attended, row, width, BLOCK), post, width, eps, x, BLOCK)
    total = rounded(load_row(x, row, width, BLOCK) + added, x)
    store_row(sum_to, row, total, width, BLOCK)
    normed = rounded(total * inverse_rms(total, width, eps), x)
    store_row(normed_to, row, normed, width, BLOCK)
    store_row(dense_to, row, normed * load_vector(dense, width, BLOCK), width, BLOCK)
    store_row(routed_to, row, normed * load_vector(routed, width, BLOCK), width, BLOCK)


@triton.jit
def _after_feedforward_kernel(
    x, dense, routed, dense_weight, routed_weight, weight, scalar, result, width, eps, BLOCK: tl.constexpr
):
    row = tl.program_id(0)
    first = _normed(load_row(dense, row, width, BLOCK), dense_weight, width, eps, x, BLOCK)
    second = _normed(load_row(routed, row, width, BLOCK), routed_weight, width, eps, x, BLOCK)
    added = _normed(rounded(first + second, x), weight, width, eps, x, BLOCK)
    total = rounded(load_row(x, row, width, BLOCK) + added, x)
    store_row(result, row, total * tl.load(scalar).to(tl.float32), width, BLOCK)
