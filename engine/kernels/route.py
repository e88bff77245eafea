"""The router of a mixture of experts in one launch: a product, and of each token's scores the highest."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, COLUMNS = 16, 64  # tokens of a program, and columns that it multiplies at a time


def route(x: Tensor, matrix: Tensor, per_expert_scale: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Experts, int32, and their shares in x's type, both [tokens, top_k], the most probable first.

    x has shape [tokens, hidden], `matrix` [experts, hidden], `per_expert_scale` [experts]. Probabilities are the
    softmax of x W^T; shares are those of the chosen ones, made to add up to one, times the experts' scales.
    """
    (tokens, hidden), experts = x.shape, len(matrix)
    assert matrix.shape[1] == hidden and top_k <= experts, "as many columns, and enough experts"
    assert matrix.is_contiguous() and per_expert_scale.is_contiguous(), "kernels take contiguous weights"
    expert = torch.empty(tokens, top_k, dtype=torch.int32, device=x.device)
    share = x.new_empty(tokens, top_k)
    _kernel[triton.cdiv(tokens, ROWS),](
        x.contiguous(),
        matrix,
        per_expert_scale,
        expert,
        share,
        tokens,
        hidden,
        experts,
        TOP_K=top_k,
        CHOICES=triton.next_power_of_2(top_k),
        EXPERTS=max(triton.next_power_of_2(experts), 16),
        ROWS=ROWS,
        COLUMNS=COLUMNS,
        num_warps=4,
        num_stages=3,
    )
    return expert, share


def reference(x: Tensor, matrix: Tensor, per_expert_scale: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The same in torch."""
    share, expert = (x @ matrix.t()).softmax(-1, dtype=torch.float32).topk(top_k)
    share = share / share.sum(-1, keepdim=True)
    return expert.int(), (share * per_expert_scale[expert]).to(x.dtype)


@triton.jit
def _scores(x, matrix, token, tokens, hidden, experts, EXPERTS: tl.constexpr, COLUMNS: tl.constexpr):
    """[tokens, EXPERTS] in float32, rounded to x's type; -inf where there is no expert."""
    expert = tl.arange(0, EXPERTS)
    x += tl.minimum(token, tokens - 1).to(tl.int64)[:, None] * hidden
    matrix += tl.minimum(expert, experts - 1)[:, None] * hidden
    total = tl.zeros((token.shape[0], EXPERTS), tl.float32)
    for start in range(0, hidden, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        inside = (column < hidden)[None, :]
        left = tl.load(x + column[None, :], mask=inside, other=0.0)
        right = tl.load(matrix + column[None, :], mask=inside, other=0.0)
        total = tl.dot(left, tl.trans(right), total, input_precision="ieee")
    total = total.to(x.dtype.element_ty).to(tl.float32)
    return tl.where((expert < experts)[None, :], total, -float("inf"))


@triton.jit(do_not_specialize=["tokens"])
def _kernel(
    x,
    matrix,
    per_expert_scale,
    expert,
    share,
    tokens,
    hidden,
    experts,
    TOP_K: tl.constexpr,
    CHOICES: tl.constexpr,
    EXPERTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    token, choice, number = (
        tl.program_id(0) * ROWS + tl.arange(0, ROWS),
        tl.arange(0, CHOICES),
        tl.arange(0, EXPERTS),
    )
    scores = _scores(x, matrix, token, tokens, hidden, experts, EXPERTS, COLUMNS)
    highest = tl.max(scores, 1)
    chosen = tl.zeros((ROWS, CHOICES), tl.int32)
    odds = tl.zeros((ROWS, CHOICES), tl.float32)  # relative to the most probable one
    for at in range(0, TOP_K):
        best = tl.minimum(tl.argmax(scores, 1), experts - 1)  # an expert, whatever NaNs do
        top = tl.max(scores, 1)
        here = (choice == at)[None, :]
        chosen = tl.where(here, best[:, None], chosen)
        odds = tl.where(here, tl.exp(top - highest)[:, None], odds)
        scores = tl.where(number[None, :] == best[:, None], -float("inf"), scores)
    odds /= tl.sum(odds, 1)[:, None]
    odds *= tl.load(per_expert_scale + chosen).to(tl.float32)
    place = token.to(tl.int64)[:, None] * TOP_K + choice[None, :]
    inside = (token < tokens)[:, None] & (choice < TOP_K)[None, :]
    tl.store(expert + place, chosen, mask=inside)
    tl.store(share + place, odds.to(share.dtype.element_ty), mask=inside)
