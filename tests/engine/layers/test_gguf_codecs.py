"""GGUF's codecs decode to what the `gguf` package makes of the same bytes, and to what is written out by hand."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from torch import Tensor

from lacuna.engine.layers.quantized.gguf_blocks import GgufBlocks
from lacuna.engine.layers.quantized.gguf_types import GGUF_TYPES

EXPERTS, OUT, BLOCKS = 3, 70, 3  # more rows than a CPU decodes at once of the wide ones below
WIDE = 100  # blocks


def random_codec(name: str, *lead: int, blocks: int = BLOCKS, seed: int = 0) -> GgufBlocks:
    """Any bytes: scales of any kind among them, also such as are no numbers."""
    generator = torch.Generator().manual_seed(seed)
    kind = GGUF_TYPES[name]
    return kind(torch.randint(0, 256, (*lead, blocks * kind.BYTES), dtype=torch.uint8, generator=generator))


def library(codec: GgufBlocks) -> Tensor:
    kind = gguf.GGMLQuantizationType[type(codec).__name__]
    with np.errstate(all="ignore"):
        return torch.from_numpy(gguf.quants.dequantize(codec.payload.numpy(), kind))


def same(found: Tensor, expected: Tensor) -> bool:
    """Bit for bit, but for what bits a NaN has."""
    return torch.equal(found.isnan(), expected.isnan()) and torch.equal(
        found.nan_to_num(0).view(torch.int32), expected.nan_to_num(0).view(torch.int32)
    )


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_sizes_are_the_librarys(name: str) -> None:
    kind = GGUF_TYPES[name]
    assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]] == (kind.WEIGHTS, kind.BYTES)


@pytest.mark.parametrize("name", GGUF_TYPES)
@pytest.mark.parametrize("lead", [(OUT,), (EXPERTS, OUT)])
def test_decoded_as_by_the_library(name: str, lead: tuple[int, ...]) -> None:
    codec = random_codec(name, *lead)
    before = codec.payload.clone()
    assert codec.shape == (*lead, BLOCKS * codec.WEIGHTS)
    assert same(codec.decode(torch.float32), library(codec))
    assert torch.equal(codec.payload, before)
    assert codec.nbytes == codec.payload.numel()


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_rows_are_decoded_some_at_a_time(name: str) -> None:
    codec = random_codec(name, OUT, blocks=WIDE)
    expected = library(codec)
    assert same(codec.decode(torch.float32), expected)
    assert same(codec.decode_rows(slice(7, 19), torch.float32), expected[7:19])


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_bfloat16_is_float32_rounded_once(name: str) -> None:
    codec = random_codec(name, OUT)
    assert torch.equal(codec.decode(torch.bfloat16).nan_to_num(0), library(codec).bfloat16().nan_to_num(0))


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_one_expert_and_some_are_the_banks(name: str) -> None:
    codec = random_codec(name, EXPERTS, OUT)
    expected = library(codec)
    assert codec[1].shape == (OUT, BLOCKS * codec.WEIGHTS)
    assert same(codec[1].decode(torch.float32), expected[1])
    assert same(codec[1:3].decode(torch.float32), expected[1:3])
    assert same(codec[1:3].decode_rows(slice(2, 9), torch.float32), expected[1:3, 2:9])


def ramp(count: int) -> list[int]:
    """Bytes with i in their low and 15 - i in their high nibbles."""
    return [i % 16 | (15 - i % 16) << 4 for i in range(count)]


HALF = [0x00, 0x38]  # 0.5
SIXTEEN, FALLING = list(range(16)), list(range(15, -1, -1))
# Bytes of one block, and the weights that they are by the format's description.
BY_HAND: dict[str, tuple[list[int], list[float]]] = {
    "Q4_0": ([*HALF, *ramp(16)], [(level - 8) / 2 for level in [*SIXTEEN, *FALLING]]),
    "Q5_0": (
        [*HALF, 0xFF, 0, 0, 0x80, *ramp(16)],
        [(level + 16 * (at < 8 or at == 31) - 16) / 2 for at, level in enumerate([*SIXTEEN, *FALLING])],
    ),
    "Q8_0": ([*HALF, *range(240, 256), *range(16)], [level / 2 for level in range(-16, 16)]),
    "Q4_K": (
        # Run 0: scale 1, least 3. Run 4: scale 2 | 1 << 4, least 5 | 2 << 4, by the upper bits of bytes 0 and 4.
        [*HALF, *HALF, 1 | 1 << 6, 0, 0, 0, 3 | 2 << 6, 0, 0, 0, 2 | 5 << 4, 0, 0, 0, *ramp(128)],
        [
            *((level - 3) / 2 for level in SIXTEEN * 2),
            *[0.0] * 96,
            *((18 * level - 37) / 2 for level in SIXTEEN * 2),
            *[0.0] * 96,
        ],
    ),
    "Q5_K": (
        # The same; run 0 has its highest bits set at even places, run 4 everywhere.
        [*HALF, *HALF, 1 | 1 << 6, 0, 0, 0, 3 | 2 << 6, 0, 0, 0, 2 | 5 << 4, 0, 0, 0]
        + [0b10001, 0b10000] * 16
        + ramp(128),
        [
            *((level + 16 * (level % 2 == 0) - 3) / 2 for level in SIXTEEN * 2),
            *[0.0] * 96,
            *((18 * (level + 16) - 37) / 2 for level in SIXTEEN * 2),
            *[0.0] * 96,
        ],
    ),
    "Q6_K": (
        # Scales 1, -1 and so on; upper bits 0 to 3 by run in the first half, 2 in the second.
        [*ramp(128), *[0b11100100] * 32, *[0b10101010] * 32, *[1, 255] * 8, *HALF],
        [
            ((SIXTEEN if run % 4 < 2 else FALLING)[at] + 16 * (run % 4 if run < 4 else 2) - 32) * sign / 2
            for run in range(8)
            for sign in (1, -1)
            for at in range(16)
        ],
    ),
}


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_blocks_written_out_by_hand(name: str) -> None:
    packed, weights = BY_HAND[name]
    codec = GGUF_TYPES[name](torch.tensor([packed], dtype=torch.uint8))
    assert torch.equal(codec.decode(torch.float32), torch.tensor([weights]))


@pytest.mark.parametrize("name", GGUF_TYPES)
def test_scales_that_are_no_numbers_are_seen(name: str) -> None:
    packed, _ = BY_HAND[name]
    kind = GGUF_TYPES[name]
    rows = torch.tensor([packed * 2] * 4, dtype=torch.uint8)
    assert kind(rows).scales_are_finite() and kind(rows.expand(3, *rows.shape)).scales_are_finite()
    for at in kind.HALVES:
        for code in (0x7C00, 0xFC00, 0x7E00):  # infinities, and NaN
            broken = rows.clone()
            broken[2, kind.BYTES + at : kind.BYTES + at + 2] = torch.tensor([code & 255, code >> 8])
            assert not kind(broken).scales_are_finite()
