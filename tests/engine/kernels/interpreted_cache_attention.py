"""Attention in Triton's interpreter against torch and what the models do else; test_kernels_interpreted.py runs it."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.families.diffusion_gemma.attend import attend
from lacuna.engine.kernels import cache_attention
from lacuna.engine.kernels.slots import Slots, table

# rows, tokens, query heads, pairs, slots, head_dim
SIZES = [(1, 1, 1, 1, 1, 2), (2, 5, 4, 2, 37, 8), (1, 40, 2, 1, 70, 20), (1, 3, 2, 2, 130, 130)]
SIZES += [(1, 5, 4, 2, 40, 256)]  # as wide as a sliding layer's heads
WHOLE_CANVAS = (1, 256, 2, 1, 300, 16)
Size = tuple[int, int, int, int, int, int]


def drawn(
    rows: int, tokens: int, heads: int, pairs: int, slots: int, width: int, dtype: torch.dtype
) -> tuple[torch.Tensor, Slots]:
    """Queries, and a cache of which NaNs stand before and behind what may be seen."""
    generator = torch.Generator().manual_seed(slots)
    queries = torch.randn(rows, tokens, heads, width, generator=generator).mul(2 / width**0.5).to(dtype)
    cache = torch.full((2, rows, pairs, slots + 7, width), torch.nan, dtype=dtype)
    cache[:, :, :, 3 : 3 + slots] = torch.randn(2, rows, pairs, slots, width, generator=generator).to(dtype)
    return queries, Slots(cache[0], cache[1], 3, 3 + slots - tokens, 3 + slots)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("size", [*SIZES, WHOLE_CANVAS])
def test_a_canvas_sees_every_slot(size: Size, dtype: torch.dtype) -> None:
    queries, slots = drawn(*size, dtype)
    found = cache_attention.cache_attention(queries, table([slots])[0], slots.keys.shape[1])
    tolerance = 2e-6 if dtype == torch.float32 else 3e-3
    torch.testing.assert_close(found, cache_attention.reference(queries, slots), atol=tolerance, rtol=tolerance)
    if dtype == torch.float32:  # oneDNN has no products in float16 on every CPU
        keys, values = (buffer[:, :, 3 : slots.stop] for buffer in (slots.keys, slots.values))
        torch.testing.assert_close(found, attend(queries, keys, values, None), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_read_in_order_sees_what_is_before(size: Size, window: int | None) -> None:
    """Also where the last tokens of a pass only fill it up: then the others find what they find without them."""
    queries, slots = drawn(*size, torch.float32)
    tokens, pairs = queries.shape[1], slots.keys.shape[1]
    for start in {3, (3 + slots.start) // 2, slots.start}:
        for count in {tokens, (tokens + 1) // 2}:
            here = Slots(slots.keys, slots.values, 3, start, start + count)
            found = cache_attention.cache_attention(queries, table([here])[0], pairs, 0.5, True, window)
            expected = cache_attention.reference(queries[:, :count], here, 0.5, True, window)
            torch.testing.assert_close(found[:, :count], expected, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("size", SIZES)
def test_a_tree_sees_what_its_mask_says(size: Size, dtype: torch.dtype) -> None:
    """In a mask that is wider than there are slots; a row that sees nothing finds zeros, and no NaN."""
    queries, slots = drawn(*size, dtype)
    tokens, pairs, count = queries.shape[1], slots.keys.shape[1], slots.stop - slots.first
    mask = torch.rand(tokens, count + 5, generator=torch.Generator().manual_seed(count)) < 0.5
    mask[:, count // 2] = True
    mask[-1] = tokens == 1
    found = cache_attention.cache_attention(queries, table([slots])[0], pairs, 0.3, mask=mask)
    expected = cache_attention.reference(queries, slots, 0.3, mask=mask)
    if tokens > 1:
        assert found[:, -1].eq(0).all()
        found, expected = found[:, :-1], expected[:, :-1]
    tolerance = 2e-6 if dtype == torch.float32 else 3e-3
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def test_large_scores_do_not_overflow() -> None:
    queries, slots = drawn(1, 2, 2, 1, 20, 4, torch.float16)
    queries, _ = queries.mul_(100), slots.keys.mul_(100)
    found = cache_attention.cache_attention(queries, table([slots])[0], 1)
    assert found.isfinite().all()
    torch.testing.assert_close(found, cache_attention.reference(queries, slots), atol=3e-3, rtol=3e-3)


def test_a_cache_without_room_is_an_error_of_ours() -> None:
    buffer = torch.zeros(1, 1, 4, 2)
    with pytest.raises(AssertionError, match="room for every key"):
        table([Slots(buffer, buffer, 0, 3, 5)])
    with pytest.raises(AssertionError, match="dense"):
        table([Slots(buffer[:, :, 1:].transpose(2, 3), buffer[:, :, 1:].transpose(2, 3), 0, 0, 1)])
