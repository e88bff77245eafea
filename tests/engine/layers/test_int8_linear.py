"""Matrices in 8 bits: the same products within a bound, each row on its own, and only where the kernels are."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.device import runtime
from lacuna.engine.layers import int8_linear
from lacuna.engine.layers.int8_linear import MOST_INPUT, MOST_WEIGHT, Int8Linear

pytestmark = pytest.mark.skipif(not int8_linear.is_fast(), reason="this CPU has no fast products with 8 bits")


def weight(out: int, inputs: int) -> Tensor:
    """Rows of very different size, one of them of zeros."""
    torch.manual_seed(0)
    rows = torch.randn(out, inputs) * torch.logspace(-3, 1, out)[:, None]
    rows[out // 2] = 0.0
    return rows


def inputs(rows: int, count: int) -> Tensor:
    """As they are in models: not around 0, rows of different size, one with an input far from all others."""
    torch.manual_seed(1)
    x = torch.randn(rows, count) * torch.logspace(0, 2, rows)[:, None] + 0.5
    x[rows // 2, count // 2] = 30.0
    return x


def levels(weights: Tensor) -> Tensor:
    """What weights are once they are quantised, independently, in float64."""
    scale = weights.double().abs().amax(1, keepdim=True).clamp(min=1e-300) / MOST_WEIGHT
    return (weights.double() / scale).round() * scale


def quantised(x: Tensor, weights: Tensor) -> Tensor:
    """x W^T of what both are then."""
    x = x.double()
    least = x.amin(1, keepdim=True)
    step = (x.amax(1, keepdim=True) - least) / MOST_INPUT
    return ((x - least) / step).round() * step @ levels(weights).T + least * levels(weights).sum(1)


@pytest.mark.parametrize("out", [1, 7, 96])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_products_are_those_of_the_quantised_numbers(rows: int, out: int) -> None:
    matrix, x = Int8Linear(weight(out, 130)), inputs(rows, 130)
    expected = quantised(x, weight(out, 130))
    # Float32 may round a number that is nearly between two levels the other way: a level of one input, half a percent.
    torch.testing.assert_close(matrix(x).double(), expected, rtol=0.01, atol=float(expected.abs().max()) * 0.005)


@pytest.mark.parametrize(("make", "bound"), [(Int8Linear, 0.035), (int8_linear.head, 0.016)])
def test_products_are_nearly_those_of_the_weights(make: Callable[[Tensor], Int8Linear], bound: float) -> None:
    """Relative error a row; what is left are the weights' 7 bits where inputs have two planes."""
    torch.manual_seed(2)
    weights, x = torch.randn(96, 512), inputs(9, 512)
    x[:, 3] *= 20
    exact = functional.linear(x.double(), weights.double())
    error = (make(weights)(x).double() - exact).norm(dim=1) / exact.norm(dim=1)
    assert float(error.max()) < bound


def test_no_row_depends_on_another() -> None:
    matrix, x = Int8Linear(weight(96, 128)), inputs(8, 128)
    alone = torch.cat([matrix(row[None]) for row in x])
    assert torch.equal(matrix(x), alone)


def test_what_follows_the_product() -> None:
    matrix, x, other = Int8Linear(weight(96, 128)), inputs(5, 128), torch.randn(5, 96)
    product, kept = matrix(x), other.clone()
    torch.testing.assert_close(matrix.silu(x), functional.silu(product))
    torch.testing.assert_close(matrix.times(x, other), product * other)
    torch.testing.assert_close(matrix.plus(x, other), product + other)
    assert torch.equal(other, kept)


def test_weights_are_quantised_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, x = weight(96, 128).bfloat16(), inputs(5, 128)
    whole = Int8Linear(weights)(x)
    monkeypatch.setattr(int8_linear, "ROWS_AT_ONCE", 7)
    assert torch.equal(Int8Linear(weights)(x), whole)


def test_rows_without_anything_in_them() -> None:
    matrix = Int8Linear(weight(96, 128))
    assert matrix(torch.empty(0, 128)).shape == (0, 96)
    assert not matrix(torch.zeros(1, 128)).any()
    sums = levels(weight(96, 128)).sum(1)
    torch.testing.assert_close(matrix(torch.full((1, 128), -2.0))[0].double(), -2 * sums, rtol=1e-4, atol=1e-4)


def test_sums_stay_right_where_inputs_are_large_and_weights_are_not() -> None:
    """What 16 bits hold: two inputs of 255 with weights of 64."""
    weights = torch.cat([torch.full((4, 128), MOST_WEIGHT / 80 * 64), torch.full((4, 1), 80.0)], dim=1)
    x = torch.ones(2, 129)
    x[:, -1] = 0.0
    torch.testing.assert_close(Int8Linear(weights)(x), x @ weights.T, rtol=0.01, atol=0.0)


def test_nothing_is_said_about_kernels_that_will_go() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Int8Linear(weight(8, 32))


def test_a_runtime_takes_them_only_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.choose("cpu", "int8").is_int8
    assert runtime.choose("cpu", "int8").torch_dtype == torch.float32
    monkeypatch.setattr(int8_linear, "is_fast", lambda: False)
    with pytest.raises(ValueError, match="AVX2"):
        runtime.choose("cpu", "int8")
