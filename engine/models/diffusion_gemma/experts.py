"""The mixture of experts: a router picks a few feed-forward blocks per token; each runs once, on all its tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.diffusion_gemma.mlp import gated

# How much wider than its tokens a padded product may be before it costs more than it saves.
PADDING = 2.0


class Router:
    """Chooses `top_k` experts per token and their weights."""

    def __init__(self, weights: Mapping[str, Tensor], top_k: int) -> None:
        hidden = weights["router.scale"].shape[0]
        self._scale = weights["router.scale"] * hidden**-0.5
        self._proj = weights["router.proj.weight"]
        self._per_expert_scale = weights["router.per_expert_scale"]
        self._top_k = top_k

    def __call__(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        """Experts and their weights, both [tokens, top_k], for normed hidden states [tokens, hidden]."""
        probabilities = functional.linear(normed * self._scale, self._proj).softmax(-1, dtype=torch.float32)
        share, expert = probabilities.topk(self._top_k)
        share = share / share.sum(-1, keepdim=True)
        return expert, (share * self._per_expert_scale[expert]).to(normed.dtype)


class Experts:
    """All experts' matrices, given as [experts, out, in]. A pass runs through all at once, never one at a time."""

    def __init__(self, gate_up_proj: Tensor, down_proj: Tensor) -> None:
        self._gate_up_proj, self._down_proj = _inputs_first(gate_up_proj), _inputs_first(down_proj)
        self._count = gate_up_proj.shape[0]

    def __call__(self, x: Tensor, expert: Tensor, share: Tensor) -> Tensor:
        """[tokens, hidden] for x of that shape, `expert` and `share` of shape [tokens, top_k]."""
        pairs = expert.flatten()
        counts = pairs.bincount(minlength=self._count)
        order = pairs.argsort(stable=True)  # (token, choice) pairs, one expert after the other
        widest = int(counts.max()) if x.device.type == "cpu" else 0
        even = 0 < widest * self._count <= PADDING * len(pairs)
        by_pair = self._padded(x, pairs, order, counts, widest) if even else self._grouped(x, order, counts)
        return torch.bmm(share[:, None], by_pair.view(*expert.shape, -1)).squeeze(1)

    def _grouped(self, x: Tensor, order: Tensor, counts: Tensor) -> Tensor:
        """[pairs, hidden], by products over runs of tokens."""
        ends = counts.cumsum(0).to(torch.int32)
        chosen = x.index_select(0, order // (len(order) // len(x)))
        inner = gated(functional.grouped_mm(chosen, self._gate_up_proj, offs=ends))
        return functional.grouped_mm(inner, self._down_proj, offs=ends).index_select(0, order.argsort())

    def _padded(self, x: Tensor, pairs: Tensor, order: Tensor, counts: Tensor, widest: int) -> Tensor:
        """The same with every run as long as the widest, so that a CPU's threads meet once and not once per expert."""
        starts = counts.cumsum(0) - counts
        slots = pairs * widest + order.argsort() - starts[pairs]  # of every pair, in [experts * widest]
        tokens = torch.zeros(
            self._count * widest, dtype=torch.long
        )  # unused slots compute token 0, and nobody reads them
        tokens[slots] = torch.arange(len(pairs)) // (len(pairs) // len(x))
        chosen = x.index_select(0, tokens).view(self._count, widest, -1)
        outer = torch.bmm(gated(torch.bmm(chosen, self._gate_up_proj)), self._down_proj)
        return outer.flatten(0, 1).index_select(0, slots)


def _inputs_first(weight: Tensor) -> Tensor:
    """[experts, in, out]. On CPU it is laid out anew, once: the products are a tenth faster so."""
    turned = weight.transpose(1, 2)
    return turned.contiguous() if weight.device.type == "cpu" else turned
