"""Converts a GGUF file of the llama architecture into the form every other model here has:
config.json, tokenizer.json and model.safetensors, with Hugging Face's names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, TokenType
from gguf.quants import dequantize
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lacuna.engine.store import gguf_header
from lacuna.engine.store.fetch import os_error
from lacuna.engine.store.progress import Report, Stage

TENSOR_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_TENSOR_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}
# GGUF's name of the pre-tokenizer -> the steps it stands for.
PRE_TOKENIZERS = {
    "smollm": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    ),
}


def convert(source: Path, directory: Path, report: Report) -> None:
    """Write `source` into `directory` as config.json, tokenizer.json and model.safetensors.

    Matrices become bfloat16, vectors (the norms) stay float32: half the size of float32, and the very values that the
    adapter was trained on. Raises LoadError for a damaged file, and OSError when one cannot be written.
    """
    gguf_header.check(source)
    reader = GGUFReader(source)
    (directory / "config.json").write_text(json.dumps(config(reader), indent=2) + "\n", encoding="utf-8")
    (directory / "tokenizer.json").write_text(tokenizer(reader).to_str(pretty=True), encoding="utf-8")
    weights = {}
    for done, (name, tensor) in enumerate(tensors(reader), 1):
        weights[name] = tensor
        report(Stage.CONVERTING, done, len(reader.tensors))
    try:
        save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        raise os_error(error) from error


def config(reader: GGUFReader) -> dict[str, Any]:
    """The config.json of a Hugging Face LlamaForCausalLM."""
    architecture = _value(reader, "general.architecture")
    assert architecture == "llama", f"a GGUF file of the architecture {architecture} instead of llama"
    hidden, heads = _value(reader, "llama.embedding_length"), _value(reader, "llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": _value(reader, "llama.vocab_size"),
        "hidden_size": hidden,
        "intermediate_size": _value(reader, "llama.feed_forward_length"),
        "num_hidden_layers": _value(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _value(reader, "llama.attention.head_count_kv"),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "max_position_embeddings": _value(reader, "llama.context_length"),
        # A float32 in the file: 9.99999974e-06 is meant as 1e-05.
        "rms_norm_eps": float(f"{_value(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": float(f"{_value(reader, 'llama.rope.freq_base'):.6g}"),
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "bos_token_id": _value(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": _value(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": _value(reader, "tokenizer.ggml.padding_token_id"),
        "dtype": "bfloat16",
    }


def tokenizer(reader: GGUFReader) -> Tokenizer:
    """The byte-level BPE tokenizer that the file describes; its control tokens are special tokens."""
    tokens: list[str] = _value(reader, "tokenizer.ggml.tokens")
    types: list[int] = _value(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in _value(reader, "tokenizer.ggml.merges")]
    bpe = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    bpe.pre_tokenizer = PRE_TOKENIZERS[_value(reader, "tokenizer.ggml.pre")]
    bpe.decoder = decoders.ByteLevel()
    control = (token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.CONTROL)
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return bpe


def tensors(reader: GGUFReader) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor under its Hugging Face name, dequantised: matrices [out, in] in bfloat16, vectors in float32."""
    heads = {
        "attn_q.weight": _value(reader, "llama.attention.head_count"),
        "attn_k.weight": _value(reader, "llama.attention.head_count_kv"),
    }
    for stored in reader.tensors:
        tensor = torch.from_numpy(dequantize(stored.data, stored.tensor_type).copy())
        kind = stored.name.split(".", 2)[-1]
        if kind in heads:
            tensor = _unpermuted(tensor, heads[kind])
        yield _tensor_name(stored.name), tensor.to(torch.bfloat16) if tensor.ndim == 2 else tensor.float()


def _tensor_name(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    layer = re.fullmatch(r"blk\.(\d+)\.(.+)", name)
    if layer:
        return f"model.layers.{layer[1]}.{LAYER_TENSOR_NAMES[layer[2]]}"
    return TENSOR_NAMES[name]


def _unpermuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo GGUF's order of the rows of q and k, [heads * head_dim, in].

    GGUF rotates neighbours (2j, 2j + 1), Hugging Face rotates (j, j + head_dim / 2), so within each head the rows
    were interleaved.
    """
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _value(reader: GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    assert field is not None, f"the GGUF file does not say {key}"
    return field.contents()
