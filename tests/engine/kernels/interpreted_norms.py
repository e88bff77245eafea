"""Norms, rotations and gates in Triton's interpreter against torch; test_kernels_interpreted.py runs this."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.kernels import gated, layer_norms, norms, rope_to_cache, route
from lacuna.engine.kernels.slots import Slots, table

EPS = 1e-6
TYPES = [torch.float32, torch.float16]
SHAPES = [(1, 1), (3, 33), (2, 1025)]


def numbers(*shape: int, dtype: torch.dtype = torch.float32, spread: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (torch.randn(shape, generator=generator) * spread).to(dtype)


def close(found: torch.Tensor, expected: torch.Tensor, roundings: int) -> None:
    """To as many roundings; torch makes its sums in another order."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    eps = torch.finfo(found.dtype).eps
    torch.testing.assert_close(found, expected, rtol=4 * eps * roundings, atol=4 * eps * roundings)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "width"), SHAPES)
def test_norms(rows: int, width: int, dtype: torch.dtype) -> None:
    x, added, weight = numbers(rows, width, dtype=dtype, spread=3.0), numbers(rows, width, dtype=dtype), None
    close(norms.rms_norm(x, None, EPS), norms.rms_norm_reference(x, None, EPS), 1)
    weight = numbers(width, dtype=dtype)
    close(norms.rms_norm(x, weight, EPS), norms.rms_norm_reference(x, weight, EPS), 1)
    total, normed = norms.add_norm(x, added, weight, EPS)
    expected = norms.add_norm_reference(x, added, weight, EPS)
    assert total.equal(expected[0])
    close(normed, expected[1], 1)


def test_shapes_and_strides_of_any_kind() -> None:
    x = numbers(2, 3, 10)[:, 1:, ::2]
    close(norms.rms_norm(x, None, EPS), norms.rms_norm_reference(x, None, EPS), 1)
    assert norms.rms_norm(torch.zeros(1, 2, 7), None, EPS).equal(torch.zeros(1, 2, 7))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "width"), SHAPES)
def test_what_stands_between_the_products_of_a_layer(rows: int, width: int, dtype: torch.dtype) -> None:
    x, first, second = (numbers(rows, width, dtype=dtype, spread=spread) for spread in (2.0, 9.0, 0.1))
    post, *weights = (numbers(width, dtype=dtype) + number for number in range(4))
    three = (weights[0], weights[1], weights[2])
    found = layer_norms.after_attention(x, first, post, three, EPS)
    for mine, other in zip(found, layer_norms.after_attention_reference(x, first, post, three, EPS), strict=True):
        close(mine, other, 8)
    scalar = torch.tensor([0.7], dtype=dtype)
    for routed in (second, numbers(rows, 3, width, dtype=dtype, spread=0.1)):
        found = layer_norms.after_feedforward(x, first, routed, three, scalar, post, EPS)
        expected = layer_norms.after_feedforward_reference(x, first, routed, three, scalar, post, EPS)
        for mine, other in zip(found, expected, strict=True):
            close(mine, other, 16)


# tokens, hidden, experts, top_k
ROUTES = [(1, 3, 1, 1), (5, 70, 6, 2), (17, 128, 33, 5), (40, 64, 128, 8)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", ROUTES)
def test_routes_to_experts(size: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    """Against torch in float64, from scores that are rounded as the kernel's."""
    tokens, hidden, experts, top_k = size
    x, matrix = numbers(tokens, hidden, dtype=dtype), numbers(experts, hidden, dtype=dtype, spread=0.3)
    scale = numbers(experts, dtype=dtype) + 2
    expert, share = route.route(x, matrix, scale, top_k)
    scores = (x.double() @ matrix.double().t()).to(dtype)
    chosen = scores.double().gather(1, expert.long())
    assert chosen.equal(scores.double().topk(top_k).values), "the highest, the first one first"
    assert all(len(set(row)) == top_k for row in expert.tolist())
    close(share, (chosen.softmax(-1) * scale.double()[expert]).to(dtype), 4)


# rows, tokens, query heads, pairs, head_dim; whether there are values beside the keys
HEADS = [(1, 1, 1, 1, 2, True), (2, 2, 2, 1, 8, False), (1, 2, 3, 3, 36, True)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", ["plain", "bias", "norm"])
@pytest.mark.parametrize(("rows", "tokens", "heads", "pairs", "width", "has_values"), HEADS)
def test_queries_keys_and_values(
    rows: int, tokens: int, heads: int, pairs: int, width: int, has_values: bool, kind: str, dtype: torch.dtype
) -> None:
    every = heads + (2 if has_values else 1) * pairs
    qkv, angle = numbers(rows, tokens, every, width, dtype=dtype), numbers(tokens, 1, width).mul(3)
    cos_sin = (angle.cos().to(dtype), angle.sin().to(dtype))
    norm = numbers(heads + pairs, width, dtype=dtype) if kind == "norm" else None
    bias = numbers(every * width, dtype=dtype) if kind == "bias" else None
    caches = [torch.zeros(2, rows, pairs, tokens + 5, width, dtype=dtype) for _ in range(2)]
    for count in {tokens, 1}:  # what fills a pass up is turned, and not stored
        places = [Slots(cache[0], cache[1], 1, 2, 2 + count) for cache in caches]
        found = rope_to_cache.rope_to_cache(qkv, cos_sin, table(places[:1])[0], heads, pairs, norm, bias, EPS)
        close(found, rope_to_cache.reference(qkv, cos_sin, places[1], heads, norm, bias, EPS), 4)
        close(caches[0], caches[1], 4)  # what is beside the room, too


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("tokens", "inner"), [(1, 1), (1, 1030), (4, 33)])
def test_gates(tokens: int, inner: int, dtype: torch.dtype) -> None:
    gate, up = numbers(tokens, 2 * inner, dtype=dtype, spread=4.0).chunk(2, dim=-1)
    close(gated.silu_times(gate, up), gated.silu_reference(gate, up), 2)
    close(gated.gelu_times(gate, up), gated.gelu_reference(gate, up), 2)
    huge = torch.tensor([[-1e4, 1e4, 0.0]], dtype=dtype)
    assert gated.silu_times(huge, torch.ones_like(huge)).equal(huge.clamp(min=0))
    assert gated.gelu_times(huge, torch.ones_like(huge)).equal(huge.clamp(min=0))
