"""GGUF files of Qwen 2.5: names, values, biases, heads, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import gguf as gguf_library
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_qwen_gguf import HIDDEN, TOKENS, write_qwen_gguf
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from lacuna.engine.store import gguf, model_store, safetensors_stream
from lacuna.engine.store.progress import Stage, silent
from lacuna.engine.untrusted.load_error import LoadError

CONVERTED = {
    "output.weight": "lm_head.weight",
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "blk.0.attn_q.weight": "model.layers.0.self_attn.q_proj.weight",
    "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj.weight",
    "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
    "blk.0.attn_output.weight": "model.layers.0.self_attn.o_proj.weight",
    "blk.0.attn_q.bias": "model.layers.0.self_attn.q_proj.bias",
    "blk.0.attn_k.bias": "model.layers.0.self_attn.k_proj.bias",
    "blk.0.attn_v.bias": "model.layers.0.self_attn.v_proj.bias",
    "blk.0.attn_norm.weight": "model.layers.0.input_layernorm.weight",
    "blk.0.ffn_norm.weight": "model.layers.0.post_attention_layernorm.weight",
    "blk.0.ffn_gate.weight": "model.layers.0.mlp.gate_proj.weight",
    "blk.0.ffn_up.weight": "model.layers.0.mlp.up_proj.weight",
    "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
}


@pytest.fixture(params=[True, False], ids=["own head", "tied"])
def tiny(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, Path]:
    """The tensors of a tiny file, and the directory it was converted to, 7 rows at a time."""
    monkeypatch.setattr(gguf, "PIECE", 7 * HIDDEN)
    stored = write_qwen_gguf(tmp_path / "tiny.gguf", head=request.param)
    gguf.convert(tmp_path / "tiny.gguf", tmp_path, silent)
    return stored, tmp_path


def test_values_are_those_of_the_file(tiny: tuple[dict, Path]) -> None:
    """The rows of q and k are as they were: the architecture rotates them a half apart, as transformers does."""
    stored, directory = tiny
    converted = load_file(directory / "model.safetensors")
    assert {CONVERTED[name] for name in stored} == set(converted)
    for name, values in stored.items():
        found = converted[CONVERTED[name]]
        assert found.dtype == (torch.bfloat16 if found.ndim == 2 else torch.float32)
        assert torch.equal(found, torch.from_numpy(values.copy()).to(found.dtype)), name


def test_transformers_takes_it(tiny: tuple[dict, Path]) -> None:
    stored, directory = tiny
    model, report = Qwen2ForCausalLM.from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    own_head = "output.weight" in stored
    assert model.config.tie_word_embeddings is not own_head
    assert (model.lm_head.weight is model.model.embed_tokens.weight) is not own_head
    assert (model.config.rms_norm_eps, model.config.rope_parameters["rope_theta"]) == (1e-6, 1_000_000.0)
    assert (model.config.vocab_size, model.config.use_sliding_window) == (len(TOKENS), False)
    assert torch.isfinite(model(torch.tensor([[1, 2, 3]])).logits).all()


def test_the_tokenizer_has_markers_and_no_padding(tiny: tuple[dict, Path]) -> None:
    made = Tokenizer.from_file(str(tiny[1] / "tokenizer.json"))
    assert made.encode("def12 def").tokens == ["def", "1", "2", "Ġ", "def"]
    assert {token: added.special for token, added in made.get_added_tokens_decoder().items()} == {
        258: True,
        259: True,
        260: True,
    }
    assert made.get_vocab_size() == 261
    assert made.token_to_id("[PAD261]") is None


def test_every_tensor_is_reported(tmp_path: Path) -> None:
    told: list[tuple[Stage, int, int]] = []
    stored = write_qwen_gguf(tmp_path / "tiny.gguf")
    gguf.convert(tmp_path / "tiny.gguf", tmp_path, lambda *values: told.append(values))
    assert told == [(Stage.CONVERTING, done, len(stored)) for done in range(1, len(stored) + 1)]


def write_other(path: Path, name: str, values: np.ndarray, kind: gguf_library.GGMLQuantizationType) -> None:
    """A whole file, but for one tensor more."""
    written = gguf_library.GGUFWriter.add_tensor

    def add(writer: gguf_library.GGUFWriter, first: str, *arguments: object, **options: object) -> None:
        written(writer, first, *arguments, **options)
        if first == "output_norm.weight":
            written(writer, name, values, raw_dtype=kind)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gguf_library.GGUFWriter, "add_tensor", add)
        write_qwen_gguf(path)


KINDS = gguf_library.GGMLQuantizationType
Q8_K_BYTES = gguf_library.GGML_QUANT_SIZES[KINDS.Q8_K][1]


@pytest.mark.parametrize(
    ("name", "values", "kind", "message"),
    [
        (
            "blk.1.attn_q.weight",
            np.zeros((2, Q8_K_BYTES), np.uint8),
            KINDS.Q8_K,
            r"blk\.1\.attn_q\.weight is quantised as Q8_K, which Lacuna cannot read",
        ),
        ("blk.0.ssm_a", np.zeros(4, np.float32), KINDS.F32, r"holds blk\.0\.ssm_a, which no qwen2 model has"),
        ("blk.0.x.weight", np.zeros((2, 2, 2), np.float32), KINDS.F32, r"has 3 dimensions"),
    ],
)
def test_tensors_that_cannot_be_converted(
    tmp_path: Path, name: str, values: np.ndarray, kind: gguf_library.GGMLQuantizationType, message: str
) -> None:
    write_other(tmp_path / "tiny.gguf", name, values, kind)
    with pytest.raises(LoadError, match=message):
        gguf.convert(tmp_path / "tiny.gguf", tmp_path, silent)
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.gguf"], "nothing is written before all is known"


def test_a_pre_tokenizer_that_is_not_known(tmp_path: Path) -> None:
    write_qwen_gguf(tmp_path / "tiny.gguf", pre="olmo")
    with pytest.raises(LoadError, match="has the pre-tokenizer olmo, and Lacuna knows smollm and qwen2"):
        gguf.convert(tmp_path / "tiny.gguf", tmp_path, silent)


def test_a_file_that_is_cut_off_or_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_qwen_gguf(file)
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(LoadError, match=r"is damaged \(output_norm\.weight ends behind the file\)"):
        gguf.convert(file, tmp_path, silent)
    file.write_bytes(content.replace(b"qwen2.context_length", b"qwen2.context_lengxx"))
    with pytest.raises(LoadError, match=r"does not say qwen2\.context_length"):
        gguf.convert(file, tmp_path, silent)


@given(st.lists(st.tuples(st.integers(4, 7000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_header_with_other_bytes(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]) -> None:
    """It is converted whole, or refused with words before anything is written."""
    directory = tmp_path_factory.mktemp("other")
    write_qwen_gguf(directory / "tiny.gguf")
    content = bytearray((directory / "tiny.gguf").read_bytes())
    for at, byte in changes:
        content[at] = byte
    (directory / "tiny.gguf").write_bytes(content)
    with suppress(LoadError):
        gguf.convert(directory / "tiny.gguf", directory, silent)
    written = {file.name for file in directory.iterdir()} - {"tiny.gguf"}
    assert written in (set(), {"config.json", "tokenizer.json", "model.safetensors"})


def test_the_file_is_the_one_that_the_library_writes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 5).bfloat16(), "a": torch.randn(4), "c": torch.randn(2, 2).bfloat16()}
    layout = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    whole = [tensors[name] for name in safetensors_stream.order(layout)]
    pieces = [piece for tensor in whole for piece in tensor.split(1)]
    safetensors_stream.write(tmp_path / "streamed", layout, pieces)
    save_file(tensors, tmp_path / "saved", metadata={"format": "pt"})
    assert (tmp_path / "streamed").read_bytes() == (tmp_path / "saved").read_bytes()
    with pytest.raises(ValueError, match="bytes instead of"):
        safetensors_stream.write(tmp_path / "streamed", layout, pieces[1:])


@pytest.mark.weights
def test_qwen_fills_a_gap() -> None:
    """With q and k in the order of the rows that llama has in such files, it would write anything."""
    try:
        directory = model_store.find("qwen2.5-coder-0.5b")
    except model_store.ModelMissing as missing:
        pytest.skip(str(missing))
    words = Tokenizer.from_file(str(directory / "tokenizer.json"))
    text = "<|fim_prefix|>def add(a, b):\n    return <|fim_suffix|>\n\nprint(add(1, 2))\n<|fim_middle|>"
    ids = words.encode(text).ids
    model = Qwen2ForCausalLM.from_pretrained(directory, dtype=torch.bfloat16)
    made = model.generate(torch.tensor([ids]), max_new_tokens=3, do_sample=False)[0, len(ids) :]
    assert words.decode(made.tolist()) == "a + b"
