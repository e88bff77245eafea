"""Products with packed weights against products with what they decode to, in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lacuna.engine.layers.linear import Linear
from lacuna.engine.layers.packed_linear import DecodedLinear, Int4CpuLinear, SideBySide, linear
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.joined import joined
from lacuna.engine.layers.quantized.mxfp4 import Mxfp4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4


def payload(rows: int, columns: int) -> Tensor:
    return torch.randint(0, 256, (rows, columns // 2), dtype=torch.uint8)


def int4(rows: int, columns: int, group: int, scales: torch.dtype = torch.bfloat16, zero: int | None = None) -> Int4:
    scale = (0.1 * torch.randn(rows, columns // group)).to(scales)
    zero_point = None if zero is None else torch.full(scale.shape, zero, dtype=torch.int8)
    return Int4(payload(rows, columns), scale, zero_point)


def nvfp4(rows: int, columns: int) -> Nvfp4:
    scale = torch.rand(rows, columns // 16).to(torch.float8_e4m3fn)
    return Nvfp4(payload(rows, columns), scale, torch.tensor([0.1]))


def mxfp4(rows: int, columns: int) -> Mxfp4:
    code = torch.randint(120, 126, (rows, columns // 32), dtype=torch.uint8)
    return Mxfp4(payload(rows, columns), code.view(torch.float8_e8m0fnu))


def fp8(rows: int, columns: int) -> Fp8:
    return Fp8(torch.randn(rows, columns).to(torch.float8_e4m3fn), torch.rand(rows, 1).bfloat16())


def check_close(codec: Codec, x: Tensor, found: Tensor) -> None:
    """Within what rounding weights, sums and result to their types may move: 2**-8 of a sum of absolutes."""
    weights = codec.decode(torch.float32).double()
    size = x.double().abs() @ weights.t().abs()
    unit = 2.0**-8 if x.dtype == torch.bfloat16 else 2.0**-20
    assert found.dtype == x.dtype
    assert ((found.double() - x.double() @ weights.t()).abs() <= unit * size).all()


CODECS = {
    "fp8": lambda: fp8(24, 40),
    "int4 g32": lambda: int4(48, 704, 32),
    "int4 g64": lambda: int4(16, 704, 64),
    "int4 g128": lambda: int4(32, 2816, 128),
    "int4 g32, odd rows": lambda: int4(17, 64, 32),
    "int4 g32, scales in float16": lambda: int4(32, 64, 32, torch.float16),
    "int4 g32, zero points": lambda: int4(32, 64, 32, torch.bfloat16, 3),
    "int4 g32, zero points of two": lambda: int4(32, 64, 32, torch.bfloat16, -4),
    "nvfp4": lambda: nvfp4(16, 48),
    "mxfp4": lambda: mxfp4(16, 96),
}
BY_TORCH = {"int4 g32", "int4 g64", "int4 g128", "int4 g32, zero points of two"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 5, 64])
@pytest.mark.parametrize("name", CODECS)
def test_same_as_with_decoded_weights(name: str, rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(rows)
    codec = CODECS[name]()
    x = torch.randn(rows, codec.shape[1]).to(dtype)
    multiply = linear(codec, dtype=dtype)
    assert isinstance(multiply, Int4CpuLinear if dtype == torch.bfloat16 and name in BY_TORCH else DecodedLinear)
    check_close(codec, x, multiply(x))


def test_torchs_product_has_the_exact_weights() -> None:
    """Weights that were rounded to bfloat16 would be off by more than the sum's own rounding."""
    torch.manual_seed(0)
    codec = int4(32, 64, 32)
    x = torch.eye(64).bfloat16()
    assert torch.equal(linear(codec, dtype=torch.bfloat16)(x), codec.decode(torch.bfloat16).t())
    summed = torch.ones(1, 64).bfloat16()
    exact = codec.decode(torch.float32).double().sum(-1)
    assert torch.allclose(linear(codec, dtype=torch.bfloat16)(summed).double()[0], exact, rtol=2.0**-8, atol=1e-6)


def test_what_rows_may_be_joined_of() -> None:
    torch.manual_seed(0)
    parts = [int4(16, 64, 32), nvfp4(24, 64), torch.randn(8, 64)]
    multiply, x = linear(*parts, dtype=torch.float32), torch.randn(5, 64)
    assert isinstance(multiply, SideBySide)
    joined = torch.cat([part if isinstance(part, Tensor) else part.decode(torch.float32) for part in parts])
    assert torch.allclose(multiply(x), x @ joined.t(), atol=1e-4)


def test_floats_are_one_matrix_as_before() -> None:
    multiply = linear(torch.randn(4, 8), torch.randn(6, 8), dtype=torch.float32)
    assert isinstance(multiply, Linear) and multiply.shape == (10, 8)


def test_no_decoded_weights_are_kept() -> None:
    codec = int4(64, 128, 32)
    assert linear(codec, dtype=torch.float32).nbytes == codec.nbytes == 64 * 128 * 4.5 / 8
    assert linear(codec, dtype=torch.bfloat16).nbytes == 64 * 128 * 5 / 8  # a centre beside every scale


@pytest.mark.parametrize(
    "codecs",
    [
        [fp8(6, 32), fp8(2, 32), fp8(4, 32)],
        [int4(6, 64, 32), int4(2, 64, 32)],
        [int4(6, 64, 64, zero=3), int4(2, 64, 64, zero=-1)],
        [nvfp4(8, 32), replace(nvfp4(4, 32), global_scale=torch.tensor([0.3])), nvfp4(4, 32)],
        [replace(nvfp4(8, 32), global_scale=torch.tensor([0.3, 0.7])), nvfp4(6, 32)],
    ],
)
def test_matrices_that_are_packed_alike_become_one(codecs: list[Codec]) -> None:
    one = joined(codecs)
    assert one is not None and one.decode(torch.float32).equal(
        torch.cat([codec.decode(torch.float32) for codec in codecs])
    )


@pytest.mark.parametrize(
    "codecs",
    [
        [fp8(6, 32), int4(6, 32, 32)],
        [fp8(6, 32), fp8(6, 64)],
        [int4(6, 64, 32), int4(6, 64, 64)],
        [int4(6, 64, 32), int4(6, 64, 32, zero=1)],
        [int4(6, 64, 32), int4(6, 64, 32, torch.float16)],
        [mxfp4(6, 32), mxfp4(6, 32)],
    ],
)
def test_others_stay_apart(codecs: list[Codec]) -> None:
    assert joined(codecs) is None
