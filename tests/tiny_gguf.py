"""Writes GGUF files like those of the models with names, only tiny, and wheels that carry them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import gguf
import numpy as np
from tokenizers import pre_tokenizers

from lacuna.engine.store.named_models import NamedModel, Wheel

HIDDEN, HEADS, KEY_VALUE_HEADS, FEED_FORWARD = 64, 2, 1, 96
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["d e", "de f", "Ġ def"]
VOCABULARY = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "de", "def", "Ġdef"]


def write_gguf(path: Path, *, layers: int = 2) -> dict[str, np.ndarray]:
    """The file at `path`; returned are the tensors as they are stored in it, dequantised, by their GGUF names."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(VOCABULARY) - 3))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    stored = {name: _add(writer, name, shape) for name, shape in _shapes(layers).items()}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def write_wheel(directory: Path, *, layers: int = 2, parts: int = 1) -> NamedModel:
    """Wheels `lacuna-tiny-model` 1.0 in `directory`, for `pip --find-links`; returned is the model's entry in the
    store. In `parts` of almost equal size, their names end with a number."""
    directory.mkdir(parents=True, exist_ok=True)
    source = directory / "tiny.gguf"
    write_gguf(source, layers=layers)
    content = source.read_bytes()
    source.unlink()
    step = -(-len(content) // parts)
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    endings = [""] if parts == 1 else [f"-part{at}" for at in range(1, parts + 1)]
    return NamedModel(
        file="tiny.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        wheels=tuple(
            _wheel(directory, f"lacuna-tiny-model{end}", piece) for end, piece in zip(endings, pieces, strict=True)
        ),
        disk_bytes=10_000_000,
    )


def _wheel(directory: Path, name: str, content: bytes) -> Wheel:
    package = name.replace("-", "_")
    file = directory / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{package}/tiny.bin", content)
        notes = f"{package}-1.0.dist-info"
        archive.writestr(f"{notes}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{notes}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{notes}/RECORD", "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Wheel(f"{name}==1.0", digest, f"{package}/tiny.bin", file.stat().st_size)


def _shapes(layers: int) -> dict[str, tuple[int, ...]]:
    key_value = HIDDEN // HEADS * KEY_VALUE_HEADS
    layer = {
        "attn_norm": (HIDDEN,),
        "attn_q": (HIDDEN, HIDDEN),
        "attn_k": (key_value, HIDDEN),
        "attn_v": (key_value, HIDDEN),
        "attn_output": (HIDDEN, HIDDEN),
        "ffn_norm": (HIDDEN,),
        "ffn_gate": (FEED_FORWARD, HIDDEN),
        "ffn_up": (FEED_FORWARD, HIDDEN),
        "ffn_down": (HIDDEN, FEED_FORWARD),
    }
    blocks = {f"blk.{i}.{name}.weight": shape for i in range(layers) for name, shape in layer.items()}
    return {"token_embd.weight": (len(VOCABULARY), HIDDEN), **blocks, "output_norm.weight": (HIDDEN,)}


def _add(writer: gguf.GGUFWriter, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Vectors as F32, the embedding as Q8_0, other matrices as Q4_1: the types of the embedded model's file."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return values
    kind = gguf.GGMLQuantizationType.Q8_0 if name == "token_embd.weight" else gguf.GGMLQuantizationType.Q4_1
    packed = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, packed, raw_dtype=kind)
    return gguf.quants.dequantize(packed, kind)
