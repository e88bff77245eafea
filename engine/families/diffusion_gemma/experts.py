"""The mixture of experts: a router picks a few feed-forward blocks per token; each runs once, on all its tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.mlp import GatedMlp, gated
from lacuna.engine.families.diffusion_gemma.packed_experts import InDecodedGroups
from lacuna.engine.kernels import availability
from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.packed_linear import Weight, floats, linear

# oneDNN compiles a kernel per count of rows: with multiples of 8 a few serve all experts, and compute 12 % in vain.
ROWS = 8
GROUPED = (9, 10)  # compute capabilities for which torch has a grouped product


class Router:
    """Chooses `top_k` experts per token and their weights."""

    def __init__(self, weights: Mapping[str, Weight], top_k: int) -> None:
        scale, matrix = floats(weights["router.scale"]), weights["router.proj.weight"]
        self.scale = scale * scale.shape[0] ** -0.5  # of what it reads, [hidden]
        self._per_expert_scale = floats(weights["router.per_expert_scale"])
        self._top_k = top_k
        self._at_once: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
        if isinstance(matrix, Tensor) and availability.are_available(matrix.device.type):
            from lacuna.engine.kernels.route import route

            self._at_once = lambda x: route(x, matrix, self._per_expert_scale, top_k)
        else:
            self._proj = linear(matrix, dtype=scale.dtype)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Experts and their weights, both [tokens, top_k], for normed hidden states times `scale`, [tokens, hidden]."""
        if self._at_once is not None:
            return self._at_once(x)
        probabilities = self._proj(x).softmax(-1, dtype=torch.float32)
        share, expert = probabilities.topk(self._top_k)
        share = share / share.sum(-1, keepdim=True)
        return expert, (share * self._per_expert_scale[expert]).to(x.dtype)


class Experts:
    """All experts' matrices, given as [experts, out, in], for x in `dtype`. A GPU runs through all at once, by kernels
    where it runs them, or decodes some at a time; a CPU takes one after the other.

    256 tokens, 64 experts of 128 and top 8, float32, 2 threads of an AMD EPYC (Zen 5): 5.0 ms, as one product over
    runs padded to the longest 8.1.
    """

    def __init__(self, gate_up_proj: Weight, down_proj: Weight, dtype: torch.dtype) -> None:
        self._count = gate_up_proj.shape[0]
        self._by_kernels = packed_kernels.experts(gate_up_proj, down_proj, dtype)
        if self._by_kernels is not None:
            return
        self._products: InGroups | InDecodedGroups | OneByOne
        if gate_up_proj.device.type == "cpu":
            pairs = [(gate_up_proj[expert], down_proj[expert]) for expert in range(self._count)]
            self._products = OneByOne(
                [GatedMlp(linear(gate_up, dtype=dtype), linear(down, dtype=dtype)) for gate_up, down in pairs]
            )
        elif isinstance(gate_up_proj, Tensor) and isinstance(down_proj, Tensor):
            self._products = InGroups(gate_up_proj, down_proj)
        else:
            self._products = InDecodedGroups(gate_up_proj, down_proj)

    @property
    def host_waits(self) -> bool:
        """Whether the host must know, in the middle of a pass, how many tokens each expert has."""
        if self._by_kernels is not None:
            return False
        return not isinstance(self._products, InGroups) or self._products.host_waits

    def __call__(self, x: Tensor, expert: Tensor, share: Tensor) -> Tensor:
        """[tokens, hidden] for x of that shape, `expert` and `share` of shape [tokens, top_k].

        By kernels [tokens, top_k, hidden]: what comes next adds that up on the way.
        """
        if self._by_kernels is not None:
            return self._by_kernels(x, expert, share)
        pairs = expert.flatten().long()
        # Not bincount: on a GPU it waits for all that was asked for before.
        counts = pairs.new_zeros(self._count).scatter_add_(0, pairs, torch.ones_like(pairs))
        order = pairs.argsort(stable=True)  # (token, choice) pairs, one expert after the other
        outer = self._products(x, order // expert.shape[1], counts)
        by_pair = outer.index_select(0, order.argsort())
        return torch.bmm(share[:, None], by_pair.view(*expert.shape, -1)).squeeze(1)


class InGroups:
    """Two products over runs of tokens, each run with its own matrix."""

    def __init__(self, gate_up_proj: Tensor, down_proj: Tensor) -> None:
        self._gate_up_proj, self._down_proj = gate_up_proj.transpose(1, 2), down_proj.transpose(1, 2)
        # torch's grouped product reads the runs' ends on the host where it has no kernel of its own.
        is_known = gate_up_proj.is_cuda and torch.cuda.get_device_capability(gate_up_proj.device)[0] in GROUPED
        self.host_waits = not is_known

    def __call__(self, x: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
        """[pairs, hidden] for x of shape [tokens, hidden]: the first counts[0] of `tokens` are the first expert's."""
        ends = counts.cumsum(0).to(torch.int32)
        inner = gated(functional.grouped_mm(x.index_select(0, tokens), self._gate_up_proj, offs=ends))
        return functional.grouped_mm(inner, self._down_proj, offs=ends)


class OneByOne:
    """The same, expert after expert."""

    def __init__(self, experts: Sequence[GatedMlp]) -> None:
        self._experts = experts

    def __call__(self, x: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
        """A run takes what follows it along, up to a multiple of ROWS, and the answer leaves that away."""
        chosen = x.index_select(0, functional.pad(tokens, (0, ROWS - 1)))
        outer, start = [], 0
        used = counts.nonzero().flatten()  # of a typed token 8 of 128
        for number, count in zip(used.tolist(), counts[used].tolist(), strict=True):
            rows = -(-count // ROWS) * ROWS
            outer.append(self._experts[number](chosen[start : start + rows])[:count])
            start += count
        return torch.cat(outer)
