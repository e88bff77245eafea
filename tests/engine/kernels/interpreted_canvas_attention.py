"""Attention in Triton's interpreter against torch and what the model does else; test_kernels_interpreted.py runs it."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.families.diffusion_gemma.attend import attend
from lacuna.engine.kernels import canvas_attention

# rows, tokens, query heads, pairs, slots, head_dim
SIZES = [(1, 1, 1, 1, 1, 2), (2, 5, 4, 2, 37, 8), (1, 40, 2, 1, 70, 20), (1, 3, 2, 2, 130, 130)]


def drawn(
    rows: int, tokens: int, heads: int, pairs: int, slots: int, width: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, and keys and values that are views of a larger cache in which NaNs stand beside them."""
    generator = torch.Generator().manual_seed(slots)
    queries = torch.randn(rows, tokens, heads, width, generator=generator).mul(2 / width**0.5).to(dtype)
    cache = torch.full((2, rows, pairs, slots + 7, width), torch.nan, dtype=dtype)
    cache[:, :, :, 3 : 3 + slots] = torch.randn(2, rows, pairs, slots, width, generator=generator).to(dtype)
    return queries, *cache[:, :, :, 3 : 3 + slots]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("size", SIZES)
def test_a_canvas_sees_every_slot(size: tuple[int, int, int, int, int, int], dtype: torch.dtype) -> None:
    queries, keys, values = drawn(*size, dtype)
    found = canvas_attention.canvas_attention(queries, keys, values)
    tolerance = 2e-6 if dtype == torch.float32 else 3e-3
    torch.testing.assert_close(found, canvas_attention.reference(queries, keys, values), atol=tolerance, rtol=tolerance)
    if dtype == torch.float32:  # oneDNN has no products in float16 on every CPU
        torch.testing.assert_close(found, attend(queries, keys, values, None), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_read_in_order_sees_what_is_before(
    size: tuple[int, int, int, int, int, int], window: int | None
) -> None:
    queries, keys, values = drawn(*size, torch.float32)
    tokens, slots = queries.shape[1], keys.shape[2]
    for behind in {0, (slots - tokens) // 2, slots - tokens}:
        found = canvas_attention.canvas_attention(queries, keys, values, behind, window)
        expected = canvas_attention.reference(queries, keys, values, behind, window)
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=2e-6)


def test_large_scores_do_not_overflow() -> None:
    queries, keys, values = drawn(1, 2, 2, 1, 20, 4, torch.float16)
    queries, _ = queries.mul_(100), keys.mul_(100)
    found = canvas_attention.canvas_attention(queries, keys, values)
    assert found.isfinite().all()
    torch.testing.assert_close(found, canvas_attention.reference(queries, keys, values), atol=3e-3, rtol=3e-3)
