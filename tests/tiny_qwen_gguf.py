"""Writes a GGUF file like those of Qwen 2.5, only tiny: with biases, an own head, and tokens that nothing uses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType
from tokenizers import pre_tokenizers

HIDDEN, HEADS, KEY_VALUE_HEADS, FEED_FORWARD = 256, 4, 2, 512
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENS = [*ALPHABET, "de", "def", "<|endoftext|>", "<|fim_prefix|>", "<tool_call>", "[PAD261]", "[PAD262]", "[PAD263]"]
KINDS = [TokenType.NORMAL] * 258 + [TokenType.CONTROL] * 2 + [TokenType.USER_DEFINED] + [TokenType.UNUSED] * 3
MATRICES = {
    "attn_q": (HIDDEN, HIDDEN, Kind.Q5_0),
    "attn_k": (HIDDEN // 2, HIDDEN, Kind.Q5_0),
    "attn_v": (HIDDEN // 2, HIDDEN, Kind.Q8_0),
    "attn_output": (HIDDEN, HIDDEN, Kind.Q4_K),
    "ffn_gate": (FEED_FORWARD, HIDDEN, Kind.Q4_K),
    "ffn_up": (FEED_FORWARD, HIDDEN, Kind.F16),
    "ffn_down": (HIDDEN, FEED_FORWARD, Kind.Q6_K),
}
# Where a block of the K kinds has its scales, as halves of two bytes.
SCALES = {Kind.Q4_K: (0, 2), Kind.Q6_K: (208,)}


def write_qwen_gguf(
    path: Path, *, head: bool = True, pre: str = "qwen2", infills: bool = False
) -> dict[str, np.ndarray]:
    """The file at `path`, of one layer; returned are its tensors, dequantised, by their GGUF names. `infills`: it has
    all markers of a hole."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    _add_tokenizer(writer, pre, infills)
    stored = {name: _add(writer, name, shape, kind) for name, (shape, kind) in _tensors(head).items()}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def _add_tokenizer(writer: gguf.GGUFWriter, pre: str, infills: bool) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    tokens, kinds = list(TOKENS), list(KINDS)
    if infills:
        tokens[-2:], kinds[-2:] = ["<|fim_suffix|>", "<|fim_middle|>"], [TokenType.CONTROL] * 2
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["d e", "de f"])
    writer.add_bos_token_id(258)
    writer.add_eos_token_id(258)
    writer.add_pad_token_id(258)


def _tensors(head: bool) -> dict[str, tuple[tuple[int, ...], Kind]]:
    vectors = {"attn_norm.weight": HIDDEN, "ffn_norm.weight": HIDDEN}
    vectors |= {"attn_q.bias": HIDDEN, "attn_k.bias": HIDDEN // 2, "attn_v.bias": HIDDEN // 2}
    return {
        **({"output.weight": ((len(TOKENS), HIDDEN), Kind.Q8_0)} if head else {}),
        "token_embd.weight": ((len(TOKENS), HIDDEN), Kind.Q5_0),
        **{f"blk.0.{name}": ((size,), Kind.F32) for name, size in vectors.items()},
        **{f"blk.0.{name}.weight": ((rows, columns), kind) for name, (rows, columns, kind) in MATRICES.items()},
        "output_norm.weight": ((HIDDEN,), Kind.F32),
    }


def _add(writer: gguf.GGUFWriter, name: str, shape: tuple[int, ...], kind: Kind) -> np.ndarray:
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little"))
    if kind in SCALES:
        packed = _random_blocks(random, shape, kind)
    else:
        values = random.standard_normal(shape, dtype=np.float32)
        packed = values if kind == Kind.F32 else gguf.quants.quantize(values, kind)
    writer.add_tensor(name, packed, raw_dtype=kind)
    return gguf.quants.dequantize(packed, kind)


def _random_blocks(random: np.random.Generator, shape: tuple[int, ...], kind: Kind) -> np.ndarray:
    """Of a kind that the library unpacks and cannot pack: any bytes, with scales that are small numbers."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    packed = random.integers(0, 256, (shape[0], shape[1] // block, size), dtype=np.uint8)
    for at in SCALES[kind]:
        packed[..., at : at + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    return packed.reshape(shape[0], -1)
