"""Bit tricks, in Triton's interpreter: every code, against what torch's types and the codecs make of it."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from lacuna.engine.kernels import decode
from lacuna.engine.kernels.weights import dtype_of
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nibbles import E2M1
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

DTYPES = [torch.float16, torch.float32]
NAN = 0x7F  # of E4M3, either sign


@triton.jit
def each(codes, out, KIND: tl.constexpr, COUNT: tl.constexpr, DT: tl.constexpr):
    at = tl.arange(0, COUNT)
    code = tl.load(codes + at)
    if KIND == "int4":
        tl.store(out + at, decode.int4(code, DT).to(tl.float32))
    elif KIND == "e4m3":
        tl.store(out + at, decode.e4m3(code, DT).to(tl.float32))
    else:
        tl.store(out + at, decode.e2m1(code, DT).to(tl.float32))


def run_each(kind: str, count: int, dtype: torch.dtype) -> Tensor:
    out = torch.empty(count)
    each[(1,)](torch.arange(count, dtype=torch.uint8), out, KIND=kind, COUNT=count, DT=dtype_of(out.to(dtype)))
    return out


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_code_of_int4(dtype: torch.dtype) -> None:
    assert torch.equal(run_each("int4", 16, dtype), torch.arange(-8.0, 8.0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_code_of_e4m3(dtype: torch.dtype) -> None:
    """But NaN, which loading refuses: it would be 480."""
    codes = torch.arange(256, dtype=torch.uint8)
    exact = codes.view(torch.float8_e4m3fn).float()
    found, is_nan = run_each("e4m3", 256, dtype), codes & 0x7F == NAN
    assert torch.equal(found[~is_nan], exact[~is_nan]) and found[is_nan].tolist() == [480.0, -480.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_code_of_e2m1(dtype: torch.dtype) -> None:
    found = run_each("e2m1", 16, dtype)
    assert torch.equal(found, torch.tensor(E2M1))
    assert torch.equal(found.signbit(), torch.tensor(E2M1).signbit())


@triton.jit
def tile(payload, scale, zero, out, FORMAT: tl.constexpr, GROUP: tl.constexpr, DT: tl.constexpr):
    row = tl.arange(0, 16)
    weights = decode.weight_tile(payload, scale, zero, row, 0, 128, 64, 128 // GROUP, FORMAT, GROUP, 128, True, DT)
    tl.store(out + row[:, None] * 128 + tl.arange(0, 128)[None, :], weights.to(tl.float32))


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_nvfp4_are_exact(dtype: torch.dtype) -> None:
    """All 16 numbers times all 127 scales, eight scales a run."""
    payload = (torch.arange(8, dtype=torch.uint8) * 0x22 + 0x10).repeat(16, 8)  # 0x10, 0x32, ...: 0 to 15 in order
    for start in range(0, 128, 8):
        codes = torch.arange(start, start + 8).clamp_max(NAN - 1).to(torch.uint8).repeat(16, 1)
        out = torch.empty(16, 128)
        tile[(1,)](payload, codes, None, out, FORMAT="nvfp4", GROUP=16, DT=dtype_of(out.to(dtype)))
        expected = Nvfp4(payload, codes.view(torch.float8_e4m3fn), torch.ones(1)).decode(torch.float32)
        assert torch.equal(out, expected)


@pytest.mark.parametrize("zero_points", [False, True])
@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("scales", [torch.float16, torch.bfloat16, torch.float32])
def test_int4_is_rounded_once(scales: torch.dtype, group: int, zero_points: bool) -> None:
    """Scales of either sign, subnormal ones, and NaN, which stays in its group.

    Not bfloat16's subnormal numbers: the interpreter makes them 0.
    """
    torch.manual_seed(group)
    payload = torch.randint(0, 256, (16, 64), dtype=torch.uint8)
    scale = torch.randn(16, 128 // group).to(scales)
    smallest = torch.finfo(scales).smallest_normal
    scale[3, 0], scale[4, 0] = torch.nan, smallest if scales == torch.bfloat16 else smallest / 4
    zero = torch.randint(-8, 8, scale.shape, dtype=torch.int8) if zero_points else None
    exact = Int4(payload, scale, zero).decode(torch.float32)
    for dtype in DTYPES:
        out = torch.empty(16, 128)
        tile[(1,)](payload, scale, zero, out, FORMAT="int4", GROUP=group, DT=dtype_of(out.to(dtype)))
        assert torch.equal(out.isnan(), exact.isnan()) and out.isnan().sum() == group
        assert torch.equal(out.nan_to_num(), exact.to(dtype).float().nan_to_num())
