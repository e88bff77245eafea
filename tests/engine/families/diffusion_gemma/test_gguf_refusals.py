"""GGUF files that are not what they say: each is refused by the name of what is wrong, before anything is computed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf_checkpoints as made
import numpy as np
import packed_checkpoints
import pytest
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import load_file
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.untrusted.load_error import LoadError

Packed = dict[str, tuple[np.ndarray, Kind]]
QUERY, EXPERTS, NORM = "blk.0.attn_q.weight", "blk.1.ffn_gate_up_exps.weight", "blk.0.attn_norm.weight"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = made.QUANTIZABLE | {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    return packed_checkpoints.plain(tmp_path_factory.mktemp("plain"), **changes)


@pytest.fixture(scope="module")
def whole(source: Path) -> Packed:
    return made.pack(load_file(source / "model.safetensors"), made.TYPES["as Q4_K_M is"])[0]


@pytest.fixture
def directory(source: Path, tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
    return tmp_path


def write(directory: Path, packed: Packed, **said: Any) -> None:
    made.write_file(directory / "model.gguf", packed, **({"diffusion___gemma__block_count": 2} | said))


def load(directory: Path) -> None:
    checkpoint.load(directory, Runtime("cpu", "float32", 0, "tests"))


def refusal(directory: Path) -> str:
    with pytest.raises(LoadError) as refused:
        load(directory)
    return str(refused.value)


def floats(*shape: int, kind: Kind = Kind.F32) -> tuple[np.ndarray, Kind]:
    return made.quantized(np.ones(shape, np.float32), kind), kind


def put(name: str, value: tuple[np.ndarray, Kind]) -> Callable[[Packed], object]:
    return lambda packed: packed.update({name: value})


def gone(name: str) -> Callable[[Packed], object]:
    return lambda packed: packed.pop(name)


def move(name: str, other: str) -> Callable[[Packed], object]:
    return lambda packed: packed.update({other: packed.pop(name)})


def first(name: str, at: int, code: int) -> Callable[[Packed], object]:
    """Two bytes of a tensor's first block."""

    def change(packed: Packed) -> None:
        blocks = packed[name][0].copy()
        blocks.reshape(-1)[at : at + 2] = [code & 255, code >> 8]
        packed[name] = (blocks, packed[name][1])

    return change


TENSORS: dict[str, tuple[Callable[[Packed], object], str]] = {
    "a matrix is missing": (gone(QUERY), "layers.0.self_attn.q_proj.weight: missing, expected [64, 256]"),
    "a bank is missing": (gone(EXPERTS), "layers.1.experts.gate_up_proj: missing, expected [4, 192, 256]"),
    "a norm is missing": (gone(NORM), "layers.0.input_layernorm.weight: missing, expected [256]"),
    "a layer's scalar is missing": (
        gone("blk.1.enc_layer_output_scale.weight"),
        "encoder.language_model.layers.1.layer_scalar: missing",
    ),
    "self-conditioning is missing": (gone("self_cond_up.weight"), "self_conditioning.up_proj.weight: missing"),
    "embeddings are missing": (gone("token_embd.weight"), "embed_tokens.weight: missing, expected [96, 256]"),
    "a head of its own": (put("output.weight", floats(96, 256)), "output.weight: not expected, found [96, 256]"),
    "a bias": (put("blk.0.attn_q.bias", floats(64)), "blk.0.attn_q.bias: not expected, found [64]"),
    "values in a full layer": (
        put("blk.1.attn_v.weight", floats(32, 256)),
        "blk.1.attn_v.weight: not expected, found [32, 256]",
    ),
    "a layer too many": (put("blk.2.attn_norm.weight", floats(256)), "blk.2.attn_norm.weight: not expected"),
    "another spelling of a layer": (move(QUERY, "blk.00.attn_q.weight"), "blk.00.attn_q.weight: not expected"),
    "Hugging Face's name": (
        move(QUERY, "model.decoder.layers.0.self_attn.q_proj.weight"),
        "model.decoder.layers.0.self_attn.q_proj.weight: not expected",
    ),
    "vision": (put("v.blk.0.attn_q.weight", floats(8, 8)), "v.blk.0.attn_q.weight: not expected"),
    "experts one by one": (move(EXPERTS, "blk.1.ffn_gate_up.0.weight"), "blk.1.ffn_gate_up.0.weight: not expected"),
    "another shape": (put(QUERY, floats(32, 256, kind=Kind.Q8_0)), f"{QUERY}: expected [64, 256], found [32, 256]"),
    "turned": (put(QUERY, floats(256, 64, kind=Kind.Q8_0)), f"{QUERY}: expected [64, 256], found [256, 64]"),
    "a bank of another shape": (
        put(EXPERTS, floats(3, 192, 256, kind=Kind.Q4_0)),
        f"{EXPERTS}: expected [4, 192, 256], found [3, 192, 256]",
    ),
    "a bank as a matrix": (put(EXPERTS, floats(768, 256)), f"{EXPERTS}: expected [4, 192, 256], found [768, 256]"),
    "embeddings of another shape": (
        put("token_embd.weight", floats(95, 256, kind=Kind.Q8_0)),
        "token_embd.weight: expected [96, 256], found [95, 256]",
    ),
    "a packed norm": (put(NORM, floats(256, kind=Kind.Q8_0)), f"{NORM}: holds Q8_0, expected BF16 or F16"),
    "packed scales of experts": (
        put("blk.0.ffn_gate_inp.scale", floats(256, kind=Kind.Q4_0)),
        "ffn_gate_inp.scale: holds Q4_0, expected BF16 or F16",
    ),
    **{
        f"of {kind.name}": (put(QUERY, floats(64, 256, kind=kind)), f"{QUERY}: holds {kind.name}, which no codec here")
        for kind in (Kind.Q4_1, Kind.Q5_1)
    },
    **{
        f"of {kind.name}": (
            put(QUERY, (np.zeros((64, size), np.uint8), kind)),
            f"{QUERY}: holds {kind.name}, which no codec here reads",
        )
        for kind, size in ((Kind.IQ4_NL, 144), (Kind.IQ4_XS, 136), (Kind.Q2_K, 84), (Kind.MXFP4, 136))
    },
    "integers": (
        put(QUERY, (np.ones((64, 256), np.int32), Kind.I32)),
        f"{QUERY}: holds I32, which no codec here reads",
    ),
    "embeddings of IQ4_NL": (
        put("token_embd.weight", (np.zeros((96, 144), np.uint8), Kind.IQ4_NL)),
        "token_embd.weight: holds IQ4_NL, expected BF16 or F16",
    ),
    "an infinite scale": (first(QUERY, 0, 0x7C00), f"{QUERY} holds a scale that is not finite"),
    "no number as a least value": (first(EXPERTS, 2, 0xFE00), f"{EXPERTS} holds a scale that is not finite"),
    "no number in the embeddings": (first("token_embd.weight", 208, 0x7E00), "token_embd.weight holds a scale"),
}
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": ({"general__architecture": "llama"}, "is of the architecture 'llama', and a model_type"),
    "its sibling": ({"general__architecture": "gemma4"}, "is of the architecture 'gemma4'"),
    **{
        f"another {key}": (
            {f"diffusion___gemma__{key.replace('.', '__')}": value},
            f"says that diffusion-gemma.{key} is {value}, and config.json says",
        )
        for key, value in {
            "expert_used_count": 3,
            "attention.sliding_window": 1024,
            "rope.freq_base": 500000.0,
            "rope.freq_base_swa": 20000.0,
            "final_logit_softcapping": 50.0,
            "block_count": 30,
            "expert_count": "four",
            "embedding_length": True,
        }.items()
    },
    "another canvas": ({"diffusion__canvas_length": 256}, "says that diffusion.canvas_length is 256, and config"),
    "a list": ({"diffusion___gemma__rope__freq_base": [1e6]}, "says that diffusion-gemma.rope.freq_base is ["),
    "no number": ({"diffusion___gemma__rope__freq_base": float("nan")}, "rope.freq_base is nan, and config.json says"),
    "an odd alignment": ({"general__alignment": 12}, "general.alignment is 12, and must be a multiple of 8"),
    "no alignment": ({"general__alignment": 0}, "general.alignment is 0"),
}


def test_the_file_that_is_changed_loads(directory: Path, whole: Packed) -> None:
    write(directory, whole)
    load(directory)
    (directory / "model.gguf").unlink()
    write(directory, whole, diffusion__canvas_length=None, diffusion___gemma__rope__freq_base=None)
    load(directory)


@pytest.mark.parametrize("case", TENSORS)
def test_refused_by_its_tensors(directory: Path, whole: Packed, case: str) -> None:
    change, message = TENSORS[case]
    packed = dict(whole)
    change(packed)
    write(directory, packed)
    assert message in refusal(directory)


@pytest.mark.parametrize("case", SAID)
def test_refused_by_what_it_says(directory: Path, whole: Packed, case: str) -> None:
    said, message = SAID[case]
    write(directory, whole, **said)
    assert message in refusal(directory)


def test_quantized_by_two_accounts(directory: Path, whole: Packed) -> None:
    write(directory, whole)
    content = json.loads((directory / "config.json").read_text())
    content["quantization_config"] = packed_checkpoints.INT4
    (directory / "config.json").write_text(json.dumps(content))
    assert "says how weights are quantized, and they are those of model.gguf" in refusal(directory)


@pytest.mark.parametrize("kept", [0, 3, 23, 200, 5_000, -1_000])
def test_a_file_that_is_cut_off(directory: Path, whole: Packed, kept: int) -> None:
    write(directory, whole)
    file = directory / "model.gguf"
    file.write_bytes(file.read_bytes()[:kept])
    assert str(file) in refusal(directory)


def header(entries: list[tuple[str, list[int], int, int]], more: int = 0, **counts: int) -> bytes:
    """A file by its header: of each tensor the name, the sizes, the row's first, the type and the offset."""
    words = b"GGUF" + struct.pack("<IQQ", 3, counts.get("tensors", len(entries)), counts.get("values", 1))
    words += _text("general.architecture") + struct.pack("<I", 8) + _text("diffusion-gemma")
    for name, sizes, kind, offset in entries:
        words += _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
    return words + bytes(-len(words) % 32) + bytes(more)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def test_any_byte_of_a_header_may_be_wrong(directory: Path, whole: Packed) -> None:
    """It is refused, or it is one of a name, of a value that nobody reads, or of a norm's place."""
    write(directory, whole)
    file = directory / "model.gguf"
    content = file.read_bytes()
    end = content.index(b"token_embd.weight") + 100
    config = checkpoint.DiffusionGemmaConfig.from_hf(json.loads((directory / "config.json").read_text()))
    random, refused = np.random.default_rng(0), 0
    for _ in range(TRIES):
        broken = bytearray(content)
        for at in random.integers(0, end, random.integers(1, 4)):
            broken[at] = random.integers(0, 256)
        file.write_bytes(broken)
        try:
            checkpoint.planned(directory, config)
        except LoadError:
            refused += 1
    assert refused > TRIES // 2


TRIES = 200
NAME = "output_norm.weight"
DAMAGED: dict[str, tuple[bytes, str]] = {
    "a type that nobody has": (header([(NAME, [256], 99, 0)], 2048), "99 is not a valid GGMLQuantizationType"),
    "behind the end": (header([(NAME, [256], 0, 1024)], 1024), f"{NAME} ends behind the file"),
    "far behind the end": (header([(NAME, [256], 0, 2**63)], 1024), f"{NAME} ends behind the file"),
    "one in another": (
        header([(NAME, [256], 0, 0), ("token_embd.weight", [256], 0, 512)], 2048),
        f"token_embd.weight begins inside {NAME}",
    ),
    "two in one place": (header([(NAME, [256], 0, 0), ("a", [256], 0, 0)], 2048), "begins inside"),
    "off the grid": (header([(NAME, [256], 0, 8)], 2048), f"{NAME} does not begin at a multiple of 32"),
    "sizes that overflow": (header([(NAME, [2**62, 2**62, 4], 0, 0)], 2048), f"{NAME} ends behind the file"),
    "sizes that overflow to 0": (header([(NAME, [2**32, 2**32], 0, 0)], 2048), f"{NAME} ends behind the file"),
    "no rows": (header([(NAME, [256, 0], 0, 0)], 2048), "has the shape [0, 256]"),
    "half a block": (header([(NAME, [48, 2], 8, 0)], 2048), f"{NAME} of Q8_0 has the shape [2, 48]"),
    "no dimensions": (header([(NAME, [], 0, 0)], 2048), "has 0 dimensions"),
    "nine dimensions": (header([(NAME, [1] * 9, 0, 0)], 2048), "has 9 dimensions"),
    "twice": (header([(NAME, [8], 0, 0), (NAME, [8], 0, 32)], 2048), f"{NAME} stands there twice"),
    "2^60 tensors": (header([], 64, tensors=2**60), "1,152,921,504,606,846,976 tensors"),
    "2^60 values": (header([], 64, values=2**60), "1,152,921,504,606,846,976 values"),
    "100 tensors too many": (header([], 64, tensors=100), "has 0 dimensions"),
    "the first version": (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "the version 1 of the format"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "of the format"),
    "safetensors": (b"\x02\0\0\0\0\0\0\0{}" + bytes(64), "is no GGUF file"),
    "a list of texts without end": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + _text("a") + struct.pack("<IIQ", 9, 8, 2**60) + bytes(64),
        "a list of texts ends behind the file",
    ),
    "a text without end": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + _text("a") + struct.pack("<IQ", 8, 2**63),
        "ends behind the file",
    ),
    "numbers for an architecture": (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + _text("general.architecture")
        + struct.pack("<IIQII", 9, 4, 2, 1, 2)
        + bytes(64),
        "is of the architecture '[1 2]'",
    ),
    "a list of lists": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + _text("a") + struct.pack("<IIQ", 9, 9, 1) + bytes(64),
        "a value of the type 9",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_refused_by_its_header(directory: Path, case: str) -> None:
    content, message = DAMAGED[case]
    (directory / "model.gguf").write_bytes(content)
    assert message in refusal(directory)
