"""Packed numbers to floats inside a kernel, by their bits: on every card alike, and in Triton's interpreter.

A code's bits are put where a float has its exponent and mantissa; what comes out is the number times a power of two,
subnormal numbers included, and a product with the inverse power is exact. Codes of NaN are not looked at: loading
refuses them. DT is the type that a product's tiles have: bfloat16 on GPUs, float16 or float32 in tests, as the
interpreter does not compute in bfloat16.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def nibbles(packed, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """uint8 [ROWS, COLUMNS] for bytes [ROWS, COLUMNS / 2]: the even column stands in the low nibble."""
    return tl.reshape(tl.join(packed & 15, packed >> 4), (ROWS, COLUMNS))


@triton.jit
def int4(code, DT: tl.constexpr):
    """code - 8. Or-ed into a power of two whose last bit is worth 1: no conversion, which a GPU does at a quarter of
    its rate."""
    if DT == tl.bfloat16:
        return (code.to(tl.uint16) | 0x4300).to(tl.bfloat16, bitcast=True) - 136.0
    elif DT == tl.float16:
        return (code.to(tl.uint16) | 0x6400).to(tl.float16, bitcast=True) - 1032.0
    else:
        return (code.to(tl.uint32) | 0x4B000000).to(tl.float32, bitcast=True) - 8388616.0


@triton.jit
def e4m3(code, DT: tl.constexpr):
    """What a byte of float8_e4m3fn stands for."""
    bits = code.to(tl.uint16)
    if DT == tl.bfloat16:
        return ((bits & 0x80) << 8 | (bits & 0x7F) << 4).to(tl.bfloat16, bitcast=True) * 2.0**120
    else:
        return ((bits & 0x80) << 8 | (bits & 0x7F) << 7).to(tl.float16, bitcast=True).to(DT) * 256.0


@triton.jit
def e2m1(code, DT: tl.constexpr):
    """What a nibble of E2M1 stands for; in bfloat16 divided by 2**126."""
    bits = code.to(tl.uint16)
    if DT == tl.bfloat16:
        return ((bits & 8) << 12 | (bits & 7) << 6).to(tl.bfloat16, bitcast=True)
    else:
        return ((bits & 8) << 12 | (bits & 7) << 9).to(tl.float16, bitcast=True).to(DT) * 16384.0


@triton.jit
def int4_tile(code, scale, zero, GROUP: tl.constexpr, DT: tl.constexpr):
    """(code - 8 - zero) * scale in DT, rounded once, for codes [rows, columns], scales and zero points
    [rows, columns / GROUP]; `zero` may be None."""
    ROWS: tl.constexpr = code.shape[0]
    GROUPS: tl.constexpr = code.shape[1] // GROUP
    WORK: tl.constexpr = DT if scale.dtype == DT else tl.float32  # that rounds a product once
    levels = tl.reshape(int4(code, WORK), (ROWS, GROUPS, GROUP))
    if zero is not None:
        levels -= int4(zero + 8, WORK)[:, :, None]  # zero points have the same 16 values
    return tl.reshape((levels * scale.to(WORK)[:, :, None]).to(DT), (ROWS, GROUPS * GROUP))


@triton.jit
def nvfp4_tile(code, scale, GROUP: tl.constexpr, DT: tl.constexpr):
    """e2m1 * e4m3 in DT, exactly, as a product has 6 significant bits; in bfloat16 divided by 2**9. Codes are
    [rows, columns], scales [rows, columns / GROUP]."""
    ROWS: tl.constexpr = code.shape[0]
    GROUPS: tl.constexpr = code.shape[1] // GROUP
    factor = e4m3(scale, DT)
    if DT == tl.bfloat16:
        factor *= 2.0**117  # of the 2**126 what a scale can take: the largest is 448
    blocks = tl.reshape(e2m1(code, DT), (ROWS, GROUPS, GROUP)) * factor[:, :, None]
    return tl.reshape(blocks, (ROWS, GROUPS * GROUP))


@triton.jit
def weight_tile(
    payload, scale, zero, row, step, inner, payload_stride, scale_stride,
    FORMAT: tl.constexpr, GROUP: tl.constexpr, BK: tl.constexpr, EVEN: tl.constexpr, DT: tl.constexpr,
):  # fmt: skip
    """Weights [rows, BK] in DT of some rows (int32), from column step * BK on; zeros behind the last of `inner`.

    Without what a whole row has in common: see `row_factor`. EVEN says that BK divides `inner`.
    """
    PER: tl.constexpr = 2 if (FORMAT == "int4" or FORMAT == "nvfp4") else 1  # weights of a payload's element
    column = step * (BK // PER) + tl.arange(0, BK // PER)
    at = payload + row[:, None] * payload_stride + column[None, :]
    packed = tl.load(at) if EVEN else tl.load(at, mask=(column < inner // PER)[None, :], other=0)
    if FORMAT == "float":
        return packed.to(DT)
    elif FORMAT == "fp8":
        return e4m3(packed, DT)
    else:
        group = step * (BK // GROUP) + tl.arange(0, BK // GROUP)
        there = (group < inner // GROUP)[None, :]
        place = row[:, None] * scale_stride + group[None, :]
        factor = tl.load(scale + place) if EVEN else tl.load(scale + place, mask=there, other=0)
        code = nibbles(packed, row.shape[0], BK)
        if FORMAT == "nvfp4":
            return nvfp4_tile(code, factor, GROUP, DT)
        elif zero is None:
            return int4_tile(code, factor, None, GROUP, DT)
        else:
            shift = tl.load(zero + place) if EVEN else tl.load(zero + place, mask=there, other=0)
            return int4_tile(code, factor, shift, GROUP, DT)


@triton.jit
def row_factor(scale, whole, row, part, FORMAT: tl.constexpr, DT: tl.constexpr):
    """What the sum of a row's products is still to be multiplied with, in float32: FP8 has a scale per row, NVFP4 one
    for `part` rows."""
    if FORMAT == "fp8":
        return tl.load(scale + row).to(tl.float32)
    elif FORMAT == "nvfp4":
        common = tl.load(whole + row // part)
        return common * 512.0 if DT == tl.bfloat16 else common  # the 2**9 that `nvfp4_tile` leaves
    else:
        return tl.full(row.shape, 1.0, tl.float32)


@triton.jit
def of_expert(scale, zero, whole, number, outputs, scale_stride, part, FORMAT: tl.constexpr):
    """The same of a bank's matrix with an int64 number: where its scales begin, its zero points and its common
    scales."""
    if FORMAT != "float":
        scale += number * outputs * scale_stride
    if zero is not None:
        zero += number * outputs * scale_stride
    if whole is not None:
        whole += number * (outputs // part)
    return scale, zero, whole
