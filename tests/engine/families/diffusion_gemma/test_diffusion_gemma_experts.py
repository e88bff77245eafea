"""The experts' products, in groups as on a GPU and one by one as on a CPU, against one token after the other."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.experts import Experts, InGroups
from lacuna.engine.families.diffusion_gemma.packed_experts import InDecodedGroups
from lacuna.engine.layers.quantized.int4 import Int4

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
    experts = Experts(gate_up, down, torch.float32)
    if in_groups:
        experts._products = InGroups(gate_up, down)
    found = experts(x, expert, share)
    assert (found - token_by_token(x, gate_up, down, expert, share)).abs().max() < 1e-4


def bank(out: int, inside: int) -> Int4:
    payload = torch.randint(0, 256, (EXPERTS, out, inside // 2), dtype=torch.uint8)
    return Int4(payload, (0.2 * torch.randn(EXPERTS, out, inside // 32)).bfloat16())


@pytest.mark.parametrize("tokens", [1, 7, 64])
@pytest.mark.parametrize("skew", [0.0, 50.0])
@pytest.mark.parametrize("at_once", [0, 1, 3, 8, 16])
@torch.inference_mode()
def test_packed_experts_are_their_decoded_ones(tokens: int, skew: float, at_once: int) -> None:
    """In chunks as on a GPU, `at_once` experts a time, or one by one as on a CPU; with a skew two experts have all."""
    torch.manual_seed(tokens)
    x, gate_up, down = torch.randn(tokens, 32), bank(64, 32), bank(32, 32)
    preference = torch.randn(tokens, EXPERTS) + skew * torch.arange(EXPERTS)
    share, expert = preference.softmax(-1).topk(TOP_K)
    experts = Experts(gate_up, down, torch.float32)
    if at_once:
        experts._products = InDecodedGroups(gate_up, down, at_once)
    expected = token_by_token(x, gate_up.decode(torch.float32), down.decode(torch.float32), expert, share)
    assert (experts(x, expert, share) - expected).abs().max() < 1e-3
    assert expected.abs().max() > 1


def test_one_bank_may_be_floats() -> None:
    torch.manual_seed(0)
    x, gate_up, down = torch.randn(9, 32), bank(64, 32), torch.randn(EXPERTS, 32, 32)
    tokens, counts = torch.arange(9), torch.tensor([0, 2, 0, 0, 4, 0, 3, 0])
    found = InDecodedGroups(gate_up, down, 2)(x, tokens, counts)
    expected = InGroups(gate_up.decode(torch.float32), down)(x, tokens, counts)
    assert torch.allclose(found, expected, atol=1e-4)
