"""Matrices in 4 bits: the same products, and only where nothing is lost."""

from __future__ import annotations

import pytest
import torch
from embedded import embedded
from torch import Tensor
from torch.nn import functional

from lacuna.engine.layers.int4_linear import Grid, Int4Linear, smallest
from lacuna.engine.layers.linear import Linear

FAST = isinstance(smallest(torch.zeros(32, 32, dtype=torch.bfloat16)), Int4Linear)


def quantised(out: int, inputs: int) -> Tensor:
    """As from a Q4_1 checkpoint that was stored in bfloat16."""
    torch.manual_seed(0)
    groups = torch.randint(16, (out, inputs // 32, 32)).float()
    groups[..., :2] = torch.tensor([0.0, 15.0])
    scale, least = torch.rand(2, out, inputs // 32, 1).unbind()
    return ((groups - 10 * least) * (0.01 + scale / 100)).flatten(1).bfloat16()


@pytest.mark.parametrize("tokens", [1, 5, 64])
def test_products_are_those_of_the_weights(tokens: int) -> None:
    weight, x = quantised(96, 128), torch.randn(tokens, 128).bfloat16()
    other = torch.randn(tokens, 96).bfloat16()
    matrix, exact = Int4Linear(Grid.of(weight)), functional.linear(x.double(), weight.double())
    close = {"atol": 0.02, "rtol": 0.02}  # bfloat16 has 8 bits
    torch.testing.assert_close(matrix(x).double(), exact, **close)
    torch.testing.assert_close(matrix.silu(x).double(), functional.silu(exact), **close)
    torch.testing.assert_close(matrix.times(x, other).double(), exact * other, **close)
    torch.testing.assert_close(matrix.plus(x, other).double(), exact + other, **close)


def test_what_is_added_to_or_multiplied_with_stays_as_it_was() -> None:
    matrix, x, other = (
        Int4Linear(Grid.of(quantised(32, 32))),
        torch.randn(3, 32).bfloat16(),
        torch.randn(3, 32).bfloat16(),
    )
    kept = other.clone()
    matrix.times(x, other), matrix.plus(x, other)
    assert torch.equal(other, kept)


def test_rows_of_a_larger_tensor_are_multiplied_too() -> None:
    matrix, x = Int4Linear(Grid.of(quantised(32, 64))), torch.randn(4, 128).bfloat16()
    assert torch.equal(matrix(x[:, :64]), matrix(x[:, :64].clone()))


def test_a_group_of_one_value_is_kept() -> None:
    weight = torch.full((32, 32), 0.25).bfloat16()
    torch.testing.assert_close(
        Int4Linear(Grid.of(weight))(torch.ones(1, 32).bfloat16()), torch.full((1, 32), 8.0).bfloat16()
    )


def test_only_weights_of_16_levels_lie_on_the_grid() -> None:
    assert Grid.of(quantised(96, 128)).is_exact
    assert not Grid.of(torch.randn(96, 128).bfloat16()).is_exact


def test_other_weights_and_float32_are_kept_as_they_are() -> None:
    assert isinstance(smallest(torch.randn(96, 128).bfloat16()), Linear)
    assert isinstance(smallest(quantised(96, 128).float()), Linear)
    assert isinstance(smallest(torch.zeros(96, 100).bfloat16()), Linear)  # no whole groups


@pytest.mark.weights
@pytest.mark.skipif(not FAST, reason="this CPU has no fast products with 4 bits")
@torch.inference_mode()
def test_the_embedded_base_says_the_same_in_4_bits() -> None:
    """But for rounding: plain bfloat16 is 0.001 off in the mean."""
    ids = embedded().tokenizer.encode("def mean(values):\n    return sum(values) / len(values)\n\n\ndef median(val") * 4
    said = {}
    for dtype in ("float32", "bfloat16"):
        context = embedded(dtype).denoiser.context()
        context.prefill_prefix(ids, lambda: None)
        said[dtype] = context.next_log_probabilities[0]
    assert all(isinstance(layer.down_proj, Int4Linear) for layer in embedded("bfloat16").denoiser.base.layers)
    assert all(isinstance(layer.down_proj, Linear) for layer in embedded("bfloat16").denoiser.adapted.layers)
    divergence = functional.kl_div(said["bfloat16"], said["float32"], log_target=True, reduction="sum")
    assert divergence < 0.01, divergence
