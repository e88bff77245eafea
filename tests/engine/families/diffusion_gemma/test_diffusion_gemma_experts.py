"""The experts' products, in groups as on a GPU and one by one as on a CPU, against one token after the other."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.experts import Experts, InGroups

EXPERTS, TOP_K, HIDDEN, INNER = 8, 2, 16, 8  # rows of 16 bytes and more, as grouped products want them


def token_by_token(
    x: torch.Tensor, gate_up: torch.Tensor, down: torch.Tensor, expert: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    result = torch.zeros_like(x)
    for token in range(len(x)):
        for choice in range(expert.shape[1]):
            number = int(expert[token, choice])
            gate, up = (gate_up[number] @ x[token]).chunk(2)
            inner = functional.gelu(gate, approximate="tanh") * up
            result[token] += share[token, choice] * (down[number] @ inner)
    return result


@pytest.mark.parametrize("tokens", [1, 2, 7, 64, 200])
@pytest.mark.parametrize("skew", [0.0, 5.0])
@pytest.mark.parametrize("in_groups", [False, True])
def test_same_as_token_by_token(tokens: int, skew: float, in_groups: bool) -> None:
    torch.manual_seed(tokens)
    x, gate_up, down = (
        torch.randn(tokens, HIDDEN),
        torch.randn(EXPERTS, 2 * INNER, HIDDEN),
        torch.randn(EXPERTS, HIDDEN, INNER),
    )
    preference = torch.randn(tokens, EXPERTS) + skew * torch.arange(EXPERTS)
    share, expert = preference.softmax(-1).topk(TOP_K)
    experts = Experts(gate_up, down)
    if in_groups:
        experts._products = InGroups(gate_up, down)
    found = experts(x, expert, share)
    assert (found - token_by_token(x, gate_up, down, expert, share)).abs().max() < 1e-4
