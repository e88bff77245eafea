"""The mixture of experts: pairs in blocks by expert, and two products over them.

The way through fused kernels that servers of such models have taken since vLLM's fused_moe; here weights are decoded
inside, and nothing is added up by atomics, so that the same question always gets the same answer.
"""

from __future__ import annotations

from torch import Tensor

from lacuna.engine.kernels.align import align
from lacuna.engine.kernels.expert_down import expert_down
from lacuna.engine.kernels.expert_down import reference as expert_down_reference
from lacuna.engine.kernels.expert_gate_up import expert_gate_up
from lacuna.engine.kernels.expert_gate_up import reference as expert_gate_up_reference
from lacuna.engine.kernels.weights import Blocks, Weights


def experts(x: Tensor, expert: Tensor, share: Tensor, gate_up: Weights, down: Weights) -> Tensor:
    """[tokens, top_k, hidden] in x's type for x [tokens, hidden], `expert` and `share` of shape [tokens, top_k], and
    banks [experts, 2 * inner, hidden] and [experts, hidden, inner]: what each choice adds. The host does not wait."""
    count, top_k = len(gate_up.payload), expert.shape[1]
    if not len(x):
        return x.new_empty(0, top_k, x.shape[1])
    mean = -(-expert.numel() // count)
    first, second = Blocks.of(gate_up, mean, matrices=2), Blocks.of(down, mean)
    aligned = align(expert, count, first.rows)
    inner = expert_gate_up(x.contiguous(), gate_up, aligned, first, top_k)
    outer = expert_down(inner, down, share.contiguous(), aligned, second)
    return outer.view(*expert.shape, -1)


def reference(x: Tensor, expert: Tensor, share: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """The same in torch, with decoded banks: every pair's matrices are gathered, which is for small ones."""
    inner = expert_gate_up_reference(x, gate_up, expert)
    return expert_down_reference(inner, down, share, expert).view(*expert.shape, -1)
