"""Codecs decode to what their formats say: the golden words, and a float64 decode over random bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lacuna.engine.layers.dialects.layouts import INT4_FORMAT, Layout
from lacuna.engine.layers.dialects.stored_fields import field
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.mxfp4 import Mxfp4
from lacuna.engine.layers.quantized.nibbles import E2M1, INT4, unpack
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

EXPERTS, OUT, IN = 3, 16, 192
DTYPES = (torch.float32, torch.bfloat16)


def words(*values: int) -> Tensor:
    """Little-endian 32-bit words as bytes."""
    return torch.tensor([byte for value in values for byte in value.to_bytes(4, "little")], dtype=torch.uint8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_golden_words_of_int4(dtype: torch.dtype) -> None:
    levels = torch.arange(-8, 8, dtype=dtype)
    assert torch.equal(unpack(words(0x76543210, 0xFEDCBA98), INT4, dtype), levels)
    assert torch.equal(unpack(words(0x89ABCDEF, 0x01234567), INT4, dtype), levels.flip(0))


def test_the_golden_word_of_zero_points() -> None:
    """Packed along the rows, plus 8 each; the rows behind the last are not read."""
    layout = Layout(INT4_FORMAT, 32, symmetric=False, scale="BF16")
    word = torch.tensor([[0x8F0BA798 - 2**32]], dtype=torch.int32)  # of eight rows with one group
    expected = torch.tensor([0, 1, -1, 2, 3, -8, 7, 0], dtype=torch.int8)[:, None]
    for rows in (8, 5):
        found = field(layout, "zero_point", word, (rows, 32), torch.float32)
        assert found is not None and found[0] == "zero_point"
        assert found[1].dtype == torch.int8 and torch.equal(found[1], expected[:rows])


@pytest.mark.parametrize("dtype", DTYPES)
def test_golden_bytes_of_fp4(dtype: torch.dtype) -> None:
    found = unpack(torch.tensor([*bytes.fromhex("1032547698badcfe")], dtype=torch.uint8), E2M1, dtype)
    half = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=dtype)
    assert torch.equal(found, torch.cat([half, -half]))
    assert found[8].signbit()


def test_every_scale_of_mxfp4_is_a_power_of_two() -> None:
    scale = torch.arange(255, dtype=torch.uint8)[:, None].view(torch.float8_e8m0fnu)
    ones = torch.full((255, 16), 0x22, dtype=torch.uint8)
    for dtype in DTYPES:
        decoded = Mxfp4(ones, scale).decode(dtype)
        assert torch.equal(
            decoded.double(), (2.0 ** torch.arange(-127.0, 128, dtype=torch.float64))[:, None].expand(-1, 32)
        )


def random_bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def random_e4m3(*shape: int) -> Tensor:
    code = random_bytes(*shape)
    return torch.where(code & 0x7F == 0x7F, code ^ 1, code).view(torch.float8_e4m3fn)


def nibbles(payload: Tensor) -> Tensor:
    return torch.stack([payload & 15, payload >> 4], dim=-1).flatten(-2).long()


def fp8(dtype: torch.dtype) -> tuple[Codec, Tensor]:
    payload, scale = random_e4m3(EXPERTS, OUT, IN), torch.randn(EXPERTS, OUT, 1).to(dtype)
    return Fp8(payload, scale), payload.double() * scale.double()


def int4(dtype: torch.dtype, group: int, asymmetric: bool) -> tuple[Codec, Tensor]:
    payload, scale = random_bytes(EXPERTS, OUT, IN // 2), torch.randn(EXPERTS, OUT, IN // group).to(dtype)
    zero = torch.randint(-8, 8, scale.shape, dtype=torch.int8) if asymmetric else torch.zeros(scale.shape).char()
    levels = nibbles(payload).double().unflatten(-1, (-1, group)) - 8 - zero.double()[..., None]
    exact = (levels * scale.double()[..., None]).flatten(-2)
    return Int4(payload, scale, zero if asymmetric else None), exact


def nvfp4(parts: int) -> tuple[Codec, Tensor]:
    payload, scale = random_bytes(EXPERTS, OUT, IN // 2), random_e4m3(EXPERTS, OUT, IN // 16)
    global_scale = torch.rand(EXPERTS, parts) + 0.1
    values = torch.tensor(E2M1, dtype=torch.float64)[nibbles(payload)].unflatten(-1, (-1, 16))
    rows = global_scale.double()[:, :, None].expand(-1, -1, OUT // parts).reshape(EXPERTS, OUT, 1)
    return Nvfp4(payload, scale, global_scale), (values * scale.double()[..., None]).flatten(-2) * rows


def mxfp4() -> tuple[Codec, Tensor]:
    payload, code = random_bytes(EXPERTS, OUT, IN // 2), torch.randint(100, 150, (EXPERTS, OUT, IN // 32))
    values = torch.tensor(E2M1, dtype=torch.float64)[nibbles(payload)].unflatten(-1, (-1, 32))
    exact = (values * 2.0 ** (code.double() - 127)[..., None]).flatten(-2)
    return Mxfp4(payload, code.to(torch.uint8).view(torch.float8_e8m0fnu)), exact


FLOATS = (torch.float32, torch.bfloat16, torch.float16)
CODECS = {
    **{f"fp8, scales in {dtype}": lambda dtype=dtype: fp8(dtype) for dtype in FLOATS},
    **{
        f"int4 g{group} {'asymmetric' if asymmetric else 'symmetric'}, scales in {dtype}": (
            lambda dtype=dtype, group=group, asymmetric=asymmetric: int4(dtype, group, asymmetric)
        )
        for dtype in FLOATS
        for group in (32, 64)
        for asymmetric in (False, True)
    },
    "nvfp4, one global scale": lambda: nvfp4(1),
    "nvfp4, gate and up apart": lambda: nvfp4(2),
    "mxfp4": mxfp4,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CODECS)
def test_decoded_as_in_float64_and_rounded_once(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    codec, exact = CODECS[name]()
    before = codec.payload.clone().view(torch.uint8)
    decoded = codec.decode(dtype)
    assert codec.shape == tuple(exact.shape) == tuple(decoded.shape)
    assert decoded.dtype == dtype
    assert torch.equal(decoded, exact.to(torch.float32).to(dtype))
    assert torch.equal(codec.payload.view(torch.uint8), before)


@pytest.mark.parametrize("name", CODECS)
def test_one_expert_and_some_are_the_banks(name: str) -> None:
    torch.manual_seed(0)
    codec, exact = CODECS[name]()
    assert codec[1].shape == (OUT, IN)
    assert torch.equal(codec[1].decode(torch.float32), exact[1].float())
    assert torch.equal(codec[1:3].decode(torch.float32), exact[1:3].float())


@pytest.mark.parametrize("parts", [1, 2])
def test_nvfp4_is_the_same_by_bfloat16_as_by_float32(parts: int) -> None:
    """A GPU takes the first way, a CPU the second."""
    torch.manual_seed(0)
    codec, exact = nvfp4(parts)
    for way in DTYPES:
        assert torch.equal(codec._decoded(slice(2, 7), torch.bfloat16, way), exact[:, 2:7].float().bfloat16())


def test_bytes_are_the_packed_ones() -> None:
    codec, _ = int4(torch.bfloat16, 32, asymmetric=False)
    assert codec.nbytes == EXPERTS * OUT * IN * 4.5 / 8
    assert nvfp4(1)[0].nbytes == EXPERTS * (OUT * IN * 4.5 / 8 + 4)
    assert codec.to("cpu").nbytes == codec.nbytes
