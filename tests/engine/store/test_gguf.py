"""The conversion of a GGUF file, against the file itself, against transformers, and against ids made elsewhere."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import gguf as gguf_library
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_gguf import HEADS, HIDDEN, KEY_VALUE_HEADS, SPECIAL, write_gguf
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaRotaryEmbedding, apply_rotary_pos_emb

from lacuna.engine.store import gguf
from lacuna.engine.store.progress import silent
from lacuna.engine.untrusted.load_error import LoadError

CASES = json.loads((Path(__file__).parents[2] / "data" / "gap_cases.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """The tensors of a tiny GGUF file, and the directory it was converted to."""
    directory = tmp_path_factory.mktemp("tiny")
    stored = write_gguf(directory / "tiny.gguf")
    gguf.convert(directory / "tiny.gguf", directory, silent)
    return {name: torch.from_numpy(values.copy()) for name, values in stored.items()}, directory


def test_transformers_takes_names_shapes_and_configuration(tiny: tuple[dict, Path]) -> None:
    _, directory = tiny
    model, report = LlamaForCausalLM.from_pretrained(directory, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.rms_norm_eps == 1e-5
    assert model.config.rope_parameters["rope_theta"] == 100_000.0
    assert model.config.num_key_value_heads == KEY_VALUE_HEADS


@pytest.mark.parametrize(
    ("stored_name", "converted_name"),
    [
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("blk.1.attn_v.weight", "model.layers.1.self_attn.v_proj.weight"),
        ("blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight"),
        ("blk.1.ffn_gate.weight", "model.layers.1.mlp.gate_proj.weight"),
        ("blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"),
        ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight"),
        ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"),
        ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight"),
        ("output_norm.weight", "model.norm.weight"),
    ],
)
def test_values_are_those_of_the_file(tiny: tuple[dict, Path], stored_name: str, converted_name: str) -> None:
    stored, directory = tiny
    converted = load_file(directory / "model.safetensors")[converted_name]
    assert converted.dtype == (torch.bfloat16 if converted.ndim == 2 else torch.float32)
    assert torch.equal(converted, stored[stored_name].to(converted.dtype))


def test_queries_and_keys_meet_as_under_the_rotation_of_the_file(tiny: tuple[dict, Path]) -> None:
    """GGUF rotates neighbouring rows, transformers rows half a head apart: the scores must be the same."""
    stored, directory = tiny
    converted = {name: tensor.float() for name, tensor in load_file(directory / "model.safetensors").items()}
    inputs = torch.randn(5, HIDDEN, generator=torch.Generator().manual_seed(0))

    def heads(weight: torch.Tensor) -> torch.Tensor:
        return (inputs @ weight.bfloat16().float().T).view(1, 5, -1, HIDDEN // HEADS).transpose(1, 2)

    query, key = heads(stored["blk.0.attn_q.weight"]), heads(stored["blk.0.attn_k.weight"])
    expected = _rotated_neighbours(query) @ _rotated_neighbours(key).transpose(2, 3)

    rotary = LlamaRotaryEmbedding(LlamaConfig.from_pretrained(directory))
    cosine, sine = rotary(inputs, torch.arange(5)[None])
    query, key = (heads(converted[f"model.layers.0.self_attn.{name}_proj.weight"]) for name in "qk")
    query, key = apply_rotary_pos_emb(query, key, cosine, sine)
    torch.testing.assert_close(query @ key.transpose(2, 3), expected, rtol=1e-4, atol=1e-2)


def test_tokenizer_has_merges_single_digits_and_special_tokens(tiny: tuple[dict, Path]) -> None:
    tokenizer = Tokenizer.from_file(str(tiny[1] / "tokenizer.json"))
    assert tokenizer.encode("def def").tokens == ["def", "Ġdef"]
    assert tokenizer.encode("12 3").tokens == ["1", "2", "Ġ", "3"]
    assert tokenizer.encode("<|endoftext|>").ids == [0]
    assert tokenizer.decode([0, 1, 2], skip_special_tokens=False) == "".join(SPECIAL)


@given(st.text())
def test_text_comes_back_from_the_tokenizer(tiny: tuple[dict, Path], text: str) -> None:
    tokenizer = Tokenizer.from_file(str(tiny[1] / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_a_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    writer = gguf_library.GGUFWriter(tmp_path / "other.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(LoadError, match=r"other\.gguf: is of the architecture mamba, and Lacuna converts llama"):
        gguf.convert(tmp_path / "other.gguf", tmp_path, silent)


@pytest.mark.weights
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["prefix"].splitlines()[0])
@pytest.mark.parametrize("side", ["prefix", "suffix"])
def test_embedded_tokenizer_gives_the_known_ids(embedded_model: Path, case: dict, side: str) -> None:
    tokenizer = Tokenizer.from_file(str(embedded_model / "tokenizer.json"))
    assert tokenizer.encode(case[side]).ids == case[f"{side}_ids"]


@pytest.mark.weights
def test_embedded_model_knows_python(embedded_model: Path) -> None:
    """Nats per token of plain code: 1.34 as converted, 3.05 with the rows of q and k as in the file."""
    text = "import json\n\n\ndef load_config(path):\n    with open(path) as f:\n        return json.load(f)\n"
    ids = torch.tensor([[0, *Tokenizer.from_file(str(embedded_model / "tokenizer.json")).encode(text).ids]])
    model = LlamaForCausalLM.from_pretrained(embedded_model, dtype=torch.float32)
    with torch.inference_mode():
        assert model(ids, labels=ids).loss < 2.0


def _rotated_neighbours(states: torch.Tensor) -> torch.Tensor:
    """RoPE over the pairs (2j, 2j + 1) of [1, heads, position, head_dim], by complex numbers."""
    half = states.shape[-1] // 2
    angles = torch.arange(states.shape[2])[:, None] / 100_000.0 ** (torch.arange(half) / half)
    pairs = torch.view_as_complex(states.reshape(*states.shape[:-1], half, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


@pytest.mark.parametrize(
    "value",
    [
        struct.pack("<IIQ", 9, 4, 1 << 40),
        struct.pack("<IIQ", 9, 8, 1 << 40),
        struct.pack("<IIQ", 9, 9, 1),
        struct.pack("<IQ", 8, 1 << 62),
        struct.pack("<I", 99),
        b"",
    ],
    ids=["numbers", "strings", "arrays", "string", "type", "nothing"],
)
def test_a_header_that_goes_on_behind_the_file(tmp_path: Path, value: bytes) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + value)
    with pytest.raises(LoadError, match=r"a\.gguf: is damaged"):
        gguf.convert(file, tmp_path, silent)
    file.write_bytes(b"GGUF")
    with pytest.raises(LoadError, match="is no GGUF file"):
        gguf.convert(file, tmp_path, silent)
