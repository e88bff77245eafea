"""The mixture of experts: a router picks a few feed-forward blocks per token; each runs once, on all its tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.diffusion_gemma.mlp import gated


class Router:
    """Chooses `top_k` experts per token and their weights."""

    def __init__(self, weights: Mapping[str, Tensor], top_k: int, eps: float) -> None:
        hidden = weights["router.scale"].shape[0]
        self._scale = weights["router.scale"] * hidden**-0.5
        self._proj = weights["router.proj.weight"]
        self._per_expert_scale = weights["router.per_expert_scale"]
        self._top_k = top_k
        self._eps = eps

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Experts and their weights, both [tokens, top_k], for x of shape [tokens, hidden]."""
        normed = functional.rms_norm(x, (x.shape[-1],), self._scale, self._eps)
        probabilities = functional.linear(normed, self._proj).softmax(-1, dtype=torch.float32)
        share, expert = probabilities.topk(self._top_k)
        share = share / share.sum(-1, keepdim=True)
        return expert, (share * self._per_expert_scale[expert]).to(x.dtype)


class Experts:
    """All experts' matrices, [experts, out, in]. Tokens are sorted by expert, so one grouped product serves all."""

    def __init__(self, gate_up_proj: Tensor, down_proj: Tensor) -> None:
        self._gate_up_proj = gate_up_proj.transpose(1, 2)
        self._down_proj = down_proj.transpose(1, 2)

    def __call__(self, x: Tensor, expert: Tensor, share: Tensor) -> Tensor:
        """[tokens, hidden] for x of that shape, `expert` and `share` of shape [tokens, top_k]."""
        tokens, top_k = expert.shape
        order = expert.flatten().argsort(stable=True)  # (token, choice) pairs, one expert after the other
        ends = expert.flatten().bincount(minlength=self._gate_up_proj.shape[0]).cumsum(0).to(torch.int32)
        inner = gated(functional.grouped_mm(x.index_select(0, order // top_k), self._gate_up_proj, offs=ends))
        outer = functional.grouped_mm(inner, self._down_proj, offs=ends)
        by_token = outer.index_select(0, order.argsort())
        return torch.bmm(share[:, None], by_token.view(tokens, top_k, -1)).squeeze(1)
