"""The product with packed weights, in Triton's interpreter, against torch's with what the codec decodes to."""

from __future__ import annotations

import pytest
import torch
from packed_samples import FORMATS, decoded, sample
from torch import Tensor

from lacuna.engine.kernels.linear import linear, reference
from lacuna.engine.layers.packed_kernels import as_kernels_take_it as seen
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

# Of a sum of absolutes: weights and result are rounded to float16, float32 rounds the sums alone.
BOUNDS = {torch.float16: 2.0**-9, torch.float32: 2.0**-18}
WIDTHS = {"float": 40, "fp8": 41, "int4": 96, "int4 of 64": 192, "int4 of 128": 384, "nvfp4": 48}


def check(weight: Tensor | Codec, x: Tensor) -> None:
    exact, found = decoded(weight), linear(x, seen(weight))
    assert found.dtype == x.dtype
    size = x.double().abs() @ exact.abs().t()
    assert ((found.double() - reference(x.double(), exact)).abs() <= BOUNDS[x.dtype] * size + 1e-7).all()


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("tokens", "outputs"), [(1, 1), (17, 70), (30, 64), (100, 17)])
def test_odd_sizes(name: str, tokens: int, outputs: int, dtype: torch.dtype) -> None:
    """No size is a multiple of a block's."""
    torch.manual_seed(tokens)
    inner = WIDTHS.get(name, 96)
    check(sample(name, outputs, inner), (torch.randn(tokens, inner) / 8).to(dtype))


@pytest.mark.parametrize("tokens", [16, 256])
@pytest.mark.parametrize("name", [name for name in FORMATS if "128" not in name])
def test_the_width_of_the_published_experts(name: str, tokens: int) -> None:
    torch.manual_seed(tokens)
    check(sample(name, 48, 704), torch.randn(tokens, 704))


@pytest.mark.parametrize("name", FORMATS)
def test_columns_that_come_out_one_by_one(name: str) -> None:
    torch.manual_seed(0)
    weight = sample(name, 24, 128)
    assert torch.equal(linear(torch.eye(128), seen(weight)).double(), decoded(weight).t())


def test_other_shapes_of_x() -> None:
    torch.manual_seed(0)
    weight, x = sample("int4", 24, 64), torch.randn(2, 64, 5).transpose(1, 2)
    found = linear(x, seen(weight))
    assert found.shape == (2, 5, 24)
    assert torch.allclose(found, reference(x, decoded(weight).float()), atol=1e-4)
    assert linear(torch.empty(0, 64), seen(weight)).shape == (0, 24)


def test_what_is_no_number_stays_in_its_row() -> None:
    """A scale of NaN, in every codec whose scales may be NaN, and a token with NaN."""
    torch.manual_seed(0)
    scale = torch.ones(24, 2)
    scale[5, 1] = torch.nan
    payload = torch.randint(0, 256, (24, 32), dtype=torch.uint8)
    blocks = torch.ones(24, 4).to(torch.float8_e4m3fn)
    whole = torch.ones(24)
    whole[5] = torch.nan
    floats = torch.randn(24, 64)
    for weight in (
        Int4(payload, scale),
        Fp8(floats.to(torch.float8_e4m3fn), scale[:, 1:].contiguous()),
        Nvfp4(payload, blocks, whole),
    ):
        x = torch.randn(7, 64)
        x[2, 60] = torch.nan
        is_nan = linear(x, seen(weight)).isnan()
        assert is_nan[:, 5].all() and is_nan[2].all() and is_nan.sum() == 24 + 7 - 1


def test_subnormal_scales() -> None:
    """Where weights are subnormal, too, a product with a large number is not lost."""
    payload = torch.randint(0, 256, (24, 32), dtype=torch.uint8)
    tiny = torch.full((24, 2), 2.0**-130)
    weight = Int4(payload, tiny)
    x = torch.full((3, 64), 2.0**100)
    assert torch.allclose(linear(x, seen(weight)).double(), reference(x.double(), decoded(weight)), rtol=1e-5, atol=0)
    blocks = torch.full((24, 4), 2.0**-9).to(torch.float8_e4m3fn)
    check(Nvfp4(payload, blocks, torch.ones(1)), torch.randn(16, 64).half())
    check(Fp8(torch.full((24, 64), 2.0**-9).to(torch.float8_e4m3fn), torch.ones(24, 1)), torch.randn(16, 64).half())
