"""Converts a GGUF file of the architecture llama or qwen2 into the form every other model here has:
config.json, tokenizer.json and model.safetensors, with Hugging Face's names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import TokenType
from gguf.quants import dequantize
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from lacuna.engine.layers import gguf_header
from lacuna.engine.layers.gguf_header import Header, StoredTensor
from lacuna.engine.store import safetensors_stream
from lacuna.engine.store.progress import Report, Stage
from lacuna.engine.text.tokenizer_file import QWEN2_WORDS
from lacuna.engine.untrusted.load_error import LoadError

PIECE = 1 << 21  # weights that are unpacked at once: numpy takes some 40 bytes for each meanwhile
# GGUF's name of the architecture -> Hugging Face's class.
ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
EMBEDDING, HEAD = "token_embd.weight", "output.weight"
TENSOR_NAMES = {
    EMBEDDING: "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    HEAD: "lm_head.weight",
}
LAYER_TENSOR_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_q.bias": "self_attn.q_proj.bias",
    "attn_k.bias": "self_attn.k_proj.bias",
    "attn_v.bias": "self_attn.v_proj.bias",
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
    "qwen2": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}


def convert(source: Path, directory: Path, report: Report) -> None:
    """Write `source` into `directory` as config.json, tokenizer.json and model.safetensors.

    Matrices become bfloat16, vectors (norms and biases) stay float32: half the size of float32, and the very values
    that adapters are trained on. Raises LoadError for a file that is damaged or of another kind, before anything is
    written, and OSError when one cannot be written.
    """
    header = gguf_header.read(source)
    try:
        described, words, named = config(header), tokenizer(header), _by_name(header)
    except LoadError:
        raise
    except Exception as error:  # values of another kind than they should be; the tokenizers raise Exception itself
        raise LoadError.of(source, f"is damaged ({type(error).__name__}: {str(error)[:200]})") from error
    (directory / "config.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    (directory / "tokenizer.json").write_text(words.to_str(pretty=True), encoding="utf-8")
    layout = {
        name: (torch.bfloat16 if len(stored.shape) == 2 else torch.float32, stored.shape)
        for name, stored in named.items()
    }
    ordered = {name: named[name] for name in safetensors_stream.order(layout)}
    safetensors_stream.write(directory / "model.safetensors", layout, pieces(header, ordered, report))


def config(header: Header) -> dict[str, Any]:
    """The config.json of a Hugging Face LlamaForCausalLM or Qwen2ForCausalLM."""
    kind = _architecture(header)
    hidden, heads = header.value(f"{kind}.embedding_length"), header.value(f"{kind}.attention.head_count")
    described = {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": header.tensors[EMBEDDING].shape[0],
        "hidden_size": hidden,
        "intermediate_size": header.value(f"{kind}.feed_forward_length"),
        "num_hidden_layers": header.value(f"{kind}.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": header.value(f"{kind}.attention.head_count_kv"),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "max_position_embeddings": header.value(f"{kind}.context_length"),
        # A float32 in the file: 9.99999974e-06 is meant as 1e-05.
        "rms_norm_eps": float(f"{header.value(f'{kind}.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": float(f"{header.value(f'{kind}.rope.freq_base'):.6g}"),
    }
    particular = {"attention_bias": False, "mlp_bias": False} if kind == "llama" else {"use_sliding_window": False}
    return (
        described
        | particular
        | {
            "tie_word_embeddings": HEAD not in header.tensors,
            "bos_token_id": header.value("tokenizer.ggml.bos_token_id"),
            "eos_token_id": header.value("tokenizer.ggml.eos_token_id"),
            "pad_token_id": header.value("tokenizer.ggml.padding_token_id"),
            "dtype": "bfloat16",
        }
    )


def tokenizer(header: Header) -> Tokenizer:
    """The byte-level BPE tokenizer that the file describes: control and user-defined tokens are special tokens, and
    unused ones, which fill the embedding up, are none."""
    tokens: list[str] = header.value("tokenizer.ggml.tokens")
    kinds = [TokenType(kind) for kind in header.value("tokenizer.ggml.token_type")]
    merges = [tuple(merge.split(" ")) for merge in header.value("tokenizer.ggml.merges")]
    words = {
        token: index for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != TokenType.UNUSED
    }
    bpe = Tokenizer(models.BPE(vocab=words, merges=merges))
    bpe.pre_tokenizer = _pre_tokenizer(header)
    bpe.decoder = decoders.ByteLevel()
    special = (tokens[at] for at, kind in enumerate(kinds) if kind in (TokenType.CONTROL, TokenType.USER_DEFINED))
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return bpe


def pieces(header: Header, named: dict[str, StoredTensor], report: Report) -> Iterator[torch.Tensor]:
    """The tensors in this order, dequantised, slice by slice: matrices [rows, in] in bfloat16, vectors in float32."""
    kind = _architecture(header)
    heads = (
        {}
        if kind != "llama"
        else {
            "attn_q.weight": header.value("llama.attention.head_count"),
            "attn_k.weight": header.value("llama.attention.head_count_kv"),
        }
    )
    for done, stored in enumerate(named.values(), 1):
        permuted = heads.get(stored.name.split(".", 2)[-1])
        if permuted:
            whole = torch.cat(list(_slices(header.file, stored)))
            yield _unpermuted(whole, permuted).to(torch.bfloat16)
        else:
            for piece in _slices(header.file, stored):
                yield piece.to(torch.bfloat16) if len(stored.shape) == 2 else piece
        report(Stage.CONVERTING, done, len(named))


def _slices(file: Path, stored: StoredTensor) -> Iterator[torch.Tensor]:
    """A tensor's rows in float32, as many at once as PIECE weights are; a vector is one row."""
    rows = max(1, PIECE // stored.shape[-1])
    for first in range(0, stored.rows, rows):
        count = min(rows, stored.rows - first)
        start = stored.start + first * stored.row_bytes
        packed = np.fromfile(file, np.uint8, count * stored.row_bytes, offset=start).reshape(count, -1)
        piece = torch.from_numpy(dequantize(packed, stored.kind))
        yield piece.view(count, *stored.shape[1:]) if len(stored.shape) > 1 else piece.view(-1)


def _by_name(header: Header) -> dict[str, StoredTensor]:
    """The tensors by Hugging Face's names, all of a kind that can be unpacked. Raises LoadError."""
    for stored in header.tensors.values():
        if len(stored.shape) > 2:
            raise LoadError.of(header.file, f"{stored.name[:80]} has {len(stored.shape)} dimensions")
        try:
            dequantize(np.zeros((1, stored.row_bytes), np.uint8), stored.kind)
        except NotImplementedError as error:
            problem = f"{stored.name[:80]} is quantised as {stored.kind.name}, which Lacuna cannot read"
            raise LoadError.of(header.file, problem) from error
    return {_tensor_name(header, name): stored for name, stored in header.tensors.items()}


def _tensor_name(header: Header, name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    layer = re.fullmatch(r"blk\.(\d+)\.(.+)", name)
    found = LAYER_TENSOR_NAMES.get(layer[2]) if layer else TENSOR_NAMES.get(name)
    if found is None:
        raise LoadError.of(header.file, f"holds {name[:80]}, which no {_architecture(header)} model has")
    return f"model.layers.{layer[1]}.{found}" if layer else found


def _architecture(header: Header) -> str:
    kind = header.value("general.architecture")
    if kind not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        raise LoadError.of(header.file, f"is of the architecture {str(kind)[:40]}, and Lacuna converts {known}")
    return str(kind)


def _pre_tokenizer(header: Header) -> pre_tokenizers.PreTokenizer:
    name = header.value("tokenizer.ggml.pre")
    if name not in PRE_TOKENIZERS:
        known = " and ".join(PRE_TOKENIZERS)
        raise LoadError.of(header.file, f"has the pre-tokenizer {str(name)[:40]}, and Lacuna knows {known}")
    return PRE_TOKENIZERS[name]


def _unpermuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo GGUF's order of the rows of q and k of a llama, [heads * head_dim, in].

    GGUF rotates neighbours (2j, 2j + 1), Hugging Face rotates (j, j + head_dim / 2), so within each head the rows
    were interleaved.
    """
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)
