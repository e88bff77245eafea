"""Attention of DiffusionGemma's layers, every way it is computed, against the formula in float64."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.families.diffusion_gemma.attend import MANY, attend

HEADS, WIDTH, SLOTS = 8, 16, 70


def formula(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    shared = HEADS // keys.shape[1]
    keys, values = (tensor.double().repeat_interleave(shared, 1) for tensor in (keys, values))
    scores = queries.double().transpose(1, 2) @ keys.transpose(2, 3)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("tokens", [1, 5, MANY, MANY + 13])
@pytest.mark.parametrize(("batch", "pairs"), [(1, 4), (2, 1)])
@pytest.mark.parametrize("masked", [False, True])
@torch.inference_mode()
def test_same_as_the_formula(tokens: int, batch: int, pairs: int, masked: bool) -> None:
    torch.manual_seed(tokens)
    queries = torch.randn(batch, tokens, HEADS, WIDTH)
    # What a cache gives: the front of a longer run of slots.
    keys, values = (torch.randn(batch, pairs, SLOTS + 30, WIDTH)[:, :, :SLOTS] for _ in range(2))
    mask = torch.arange(SLOTS) <= torch.arange(SLOTS - tokens, SLOTS)[:, None] if masked else None
    found = attend(queries, keys, values, mask)
    assert (found - formula(queries, keys, values, mask)).abs().max() < 1e-5
