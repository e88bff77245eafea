"""Quantized matrices: what is stored, how much is lost, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lacuna.engine.quantize.quantizers import GROUP, PLAIN, SEARCHED, Quantized, Unquantizable, fp8, int4


def decoded(quantized: Quantized) -> Tensor:
    """In float64, from the stored tensors alone."""
    tensors = quantized.tensors
    if "weight" in tensors:
        return tensors["weight"].double() * tensors["weight_scale"].double()
    word = tensors["weight_packed"].long() & 0xFFFFFFFF
    levels = torch.stack([(word >> (4 * at)) & 15 for at in range(8)], dim=-1).flatten(1).double() - 8
    return (levels.unflatten(1, (-1, GROUP)) * tensors["weight_scale"].double()[..., None]).flatten(1)


def error(quantized: Quantized) -> float:
    return (quantized.lost / quantized.whole) ** 0.5


def stock(weight: Tensor) -> float:
    """The relative error of the usual rule: the largest size is 7.5 steps."""
    groups = weight.double().unflatten(1, (-1, GROUP))
    scale = (groups.abs().amax(-1, keepdim=True) / 7.5).bfloat16().double()
    lost = (groups / scale).round().clamp(-8, 7) * scale - groups
    return float((lost.square().sum() / groups.square().sum()).sqrt())


DISTRIBUTIONS = {
    "gaussian": torch.distributions.Normal(0.0, 0.02),
    "heavy": torch.distributions.StudentT(5.0),
    "laplace": torch.distributions.Laplace(0.0, 1.0),
}


@pytest.mark.parametrize(("name", "most"), [("gaussian", 0.084), ("heavy", 0.107), ("laplace", 0.105)])
def test_the_search_loses_less(name: str, most: float) -> None:
    torch.manual_seed(0)
    weight = DISTRIBUTIONS[name].sample((256, 2816)).bfloat16()
    searched, plain = error(int4(weight, SEARCHED)), error(int4(weight, PLAIN))
    assert searched < most < plain < stock(weight)
    assert searched < 0.9 * stock(weight)


@pytest.mark.parametrize("shape", [(1, 32), (5, 64), (300, 704), (3, 96)])
@pytest.mark.parametrize("quantizer", [int4, fp8])
def test_the_errors_that_are_said_are_those_of_what_is_stored(shape: tuple[int, int], quantizer) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape).bfloat16()
    quantized = quantizer(weight)
    lost = (decoded(quantized) - weight.double()).square().sum()
    assert float(lost) == pytest.approx(quantized.lost, rel=1e-4)
    assert float(weight.double().square().sum()) == pytest.approx(quantized.whole, rel=1e-4)
    assert 0.001 < error(quantized) < 0.15


def test_the_largest_weight_of_a_group_is_level_minus_eight() -> None:
    weight = torch.zeros(2, 64)
    weight[0, 3], weight[1, 40] = 4.0, -2.0
    quantized = int4(weight, PLAIN)
    assert torch.equal(decoded(quantized), weight.double())
    assert quantized.tensors["weight_scale"].tolist() == [[-0.5, 1.0], [1.0, 0.25]]  # of zeros: 1
    assert quantized.tensors["weight_shape"].tolist() == [2, 64]
    assert quantized.lost == 0


def test_golden_words() -> None:
    row = torch.arange(-8.0, 8.0)
    quantized = int4(torch.cat([row, row.flip(0)])[None], PLAIN)
    words = [word & 0xFFFFFFFF for word in quantized.tensors["weight_packed"][0].tolist()]
    assert words == [0x76543210, 0xFEDCBA98, 0x89ABCDEF, 0x01234567]


@pytest.mark.parametrize("quantizer", [int4, fp8])
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-30, 1e30])
def test_tiny_and_huge_weights(quantizer, size: float) -> None:
    weight = torch.full((4, 64), size)
    quantized = quantizer(weight)
    assert quantized.tensors["weight_scale"].isfinite().all()
    found = decoded(quantized)
    assert found.isfinite().all()
    if size > 1e-35:
        assert torch.allclose(found, weight.double(), rtol=0.01)
    else:
        assert not found.any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("quantizer", [int4, fp8])
def test_what_is_not_finite_is_refused(quantizer, bad: float) -> None:
    weight = torch.ones(3, 64)
    weight[2, 63] = bad
    with pytest.raises(Unquantizable, match="not finite"):
        quantizer(weight)


def test_rows_of_no_whole_groups_are_refused() -> None:
    with pytest.raises(Unquantizable, match="rows of 48 weights"):
        int4(torch.ones(2, 48))


def test_no_code_of_nan_is_stored() -> None:
    torch.manual_seed(0)
    payload = fp8(torch.randn(64, 512) * 1000).tensors["weight"].view(torch.uint8)
    assert not (payload & 0x7F == 0x7F).any()
