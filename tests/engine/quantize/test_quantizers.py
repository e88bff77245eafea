"""Quantized matrices: what is stored, how much is lost, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lacuna.engine.quantize.nvfp4 import SEARCHED as SEARCHED_NVFP4
from lacuna.engine.quantize.nvfp4 import nvfp4
from lacuna.engine.quantize.quantizers import GROUP, PLAIN, SEARCHED, Quantized, Unquantizable, fp8, int4

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=torch.float64)


def decoded(quantized: Quantized) -> Tensor:
    """In float64, from the stored tensors alone."""
    tensors = quantized.tensors
    if "weight" in tensors:
        return tensors["weight"].double() * tensors["weight_scale"].double()
    if "weight_global_scale" in tensors:
        codes = torch.stack([tensors["weight_packed"] & 15, tensors["weight_packed"] >> 4], dim=-1).flatten(1).long()
        values = E2M1[codes & 7] * torch.where(codes > 7, -1.0, 1.0).double()
        blocks = values.unflatten(1, (-1, 16)) * tensors["weight_scale"].double()[..., None]
        return blocks.flatten(1) / tensors["weight_global_scale"].double()
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
@pytest.mark.parametrize("quantizer", [int4, nvfp4, fp8])
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


@pytest.mark.parametrize("quantizer", [int4, nvfp4, fp8])
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-17, 1e-14, 1e14])
def test_tiny_and_huge_weights(quantizer, size: float) -> None:
    weight = torch.full((4, 64), size)
    quantized = quantizer(weight)
    assert quantized.tensors["weight_scale"].float().isfinite().all()
    found = decoded(quantized)
    assert found.isfinite().all()
    if size > 1e-15:
        assert torch.allclose(found, weight.double(), rtol=0.01, atol=0)
    else:
        assert not found.any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("quantizer", [int4, nvfp4, fp8])
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


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_search_of_nvfp4_loses_less(name: str) -> None:
    torch.manual_seed(0)
    weight = DISTRIBUTIONS[name].sample((256, 2816)).bfloat16()
    searched, plain = error(nvfp4(weight, SEARCHED_NVFP4)), error(nvfp4(weight, PLAIN))
    assert searched < 0.084 < 0.09 < plain < 0.097


def test_golden_values_of_nvfp4() -> None:
    """Halfway between two values the even code is taken; here the scales are 1 and change nothing."""
    values = [0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6, -0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5]
    found = nvfp4(torch.tensor([[448 * 6.0] + [0.0] * 15, values]), PLAIN).tensors
    assert (found["weight_global_scale"].tolist(), found["weight_scale"].float().tolist()) == ([1.0], [[448.0], [1.0]])
    stored = bytes(found["weight_packed"][1].tolist()).hex()
    assert stored == nibbles([0, 0, 2, 2, 4, 4, 6, 6, 7, 0, 10, 10, 12, 12, 14, 14])
    assert nvfp4(torch.full((1, 16), 0.5)).tensors["weight_global_scale"].tolist() == [5376.0]


def nibbles(codes: list[int]) -> str:
    return bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True)).hex()


def test_two_matrices_may_have_one_global_scale() -> None:
    torch.manual_seed(0)
    gate, up = torch.randn(8, 64), 3 * torch.randn(8, 64)
    largest = float(torch.cat([gate, up]).abs().max())
    scales = [nvfp4(weight, largest=largest).tensors["weight_global_scale"] for weight in (gate, up)]
    assert torch.equal(*scales)
    assert error(nvfp4(gate, largest=largest)) < 0.1


def test_rows_of_no_whole_blocks_are_refused() -> None:
    with pytest.raises(Unquantizable, match="rows of 24 weights are no whole blocks of 16"):
        nvfp4(torch.ones(2, 24))
