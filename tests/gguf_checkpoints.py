"""Tiny DiffusionGemma checkpoints as GGUF files, written with the `gguf` package, and what they dequantize to.

The K types, which the package cannot pack, are packed here, value by value in float64.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from packed_checkpoints import SHAPE
from safetensors.torch import load_file, save_file

ARCHITECTURE = "diffusion-gemma"
# Rows of `down` matrices are no whole blocks of 256, as in the published model.
QUANTIZABLE: dict[str, Any] = SHAPE | {"hidden_size": 256, "moe_intermediate_size": 96}
ENCODER = "model.encoder.language_model."
NAMES = (
    ("model.decoder.embed_tokens", "token_embd"),
    ("model.decoder.norm", "output_norm"),
    (r"model.decoder.self_conditioning.(\w+?)(_proj)?", r"self_cond_\1"),
    (r"layers.(\d+).input_layernorm", r"blk.\1.attn_norm"),
    (r"layers.(\d+).self_attn.([qkv])_proj", r"blk.\1.attn_\2"),
    (r"layers.(\d+).self_attn.([qk])_norm", r"blk.\1.attn_\2_norm"),
    (r"layers.(\d+).self_attn.o_proj", r"blk.\1.attn_output"),
    (r"layers.(\d+).post_attention_layernorm", r"blk.\1.post_attention_norm"),
    (r"layers.(\d+).pre_feedforward_layernorm", r"blk.\1.ffn_norm"),
    (r"layers.(\d+).mlp.(gate|up|down)_proj", r"blk.\1.ffn_\2"),
    (r"layers.(\d+).post_feedforward_layernorm_([12])", r"blk.\1.post_ffw_norm_\2"),
    (r"layers.(\d+).pre_feedforward_layernorm_2", r"blk.\1.pre_ffw_norm_2"),
    (r"layers.(\d+).post_feedforward_layernorm", r"blk.\1.post_ffw_norm"),
    (r"layers.(\d+).router.proj", r"blk.\1.ffn_gate_inp"),
)
WHOLE_NAMES = (
    (r"layers.(\d+).router.scale", r"blk.\1.ffn_gate_inp.scale"),
    (r"layers.(\d+).router.per_expert_scale", r"blk.\1.ffn_down_exps.scale"),
    (r"layers.(\d+).experts.(gate_up|down)_proj", r"blk.\1.ffn_\2_exps.weight"),
    (r"layers.(\d+).layer_scalar", r"blk.\1.layer_output_scale.weight"),
)
Chosen = Callable[[str, tuple[int, ...]], Kind]  # a tensor's type, by its name in the file and its shape


def gguf_name(name: str) -> str:
    """The name in a GGUF file for Hugging Face's."""
    if name.startswith(ENCODER):
        return re.sub(rf"{ENCODER}layers.(\d+).layer_scalar", r"blk.\1.enc_layer_output_scale.weight", name)
    for pattern, target in (*((f"{one}.weight", f"{other}.weight") for one, other in NAMES), *WHOLE_NAMES):
        found = re.fullmatch(pattern, name.removeprefix("model.decoder.") if "layers" in pattern else name)
        if found:
            return found.expand(target)
    raise KeyError(name)


def mostly(kind: Kind, otherwise: Kind = Kind.Q8_0, **changes: Kind) -> Chosen:
    """Matrices in one type, and in another where rows are no whole blocks; or as `changes` says by what a name ends
    with. Norms, scales and routers are F32, and embeddings Q6_K or what all are."""

    def choose(name: str, shape: tuple[int, ...]) -> Kind:
        if len(shape) == 1 or "ffn_gate_inp" in name:
            return Kind.F32
        part = name.rpartition(".")[0].rpartition(".")[2]
        wanted = changes.get(part, kind)
        return wanted if shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0] == 0 else otherwise

    return choose


TYPES: dict[str, Chosen] = {
    "Q4_0": mostly(Kind.Q4_0),
    "Q5_0": mostly(Kind.Q5_0),
    "Q8_0": mostly(Kind.Q8_0),
    "Q4_K": mostly(Kind.Q4_K, Kind.Q5_0),
    "Q5_K": mostly(Kind.Q5_K, Kind.Q8_0),
    "Q6_K": mostly(Kind.Q6_K, Kind.Q8_0),
    "F16": mostly(Kind.F16),
    "BF16": mostly(Kind.BF16),
    "as Q4_K_M is": mostly(
        Kind.Q4_K, Kind.Q8_0, token_embd=Kind.Q6_K, attn_v=Kind.Q6_K, self_cond_up=Kind.BF16, ffn_up=Kind.F16
    ),
}
PACKED = [name for name in TYPES if "F16" not in name]


def write(source: Path, directory: Path, chosen: Chosen, **said: Any) -> Path:
    """A checkpoint in GGUF, and beside it, in `directory / "float32"`, the same weights dequantized.

    `said` are values that the file has, or in another way, with __ for a dot; None leaves one out.
    """
    (directory / "float32").mkdir(parents=True)
    packed, floats = pack(load_file(source / "model.safetensors"), chosen)
    write_file(directory / "model.gguf", packed, **said)
    save_file(floats, directory / "float32" / "model.safetensors")
    for target in (directory, directory / "float32"):
        shutil.copy(source / "config.json", target / "config.json")
    return directory


def pack(
    tensors: Mapping[str, torch.Tensor], chosen: Chosen
) -> tuple[dict[str, tuple[np.ndarray, Kind]], dict[str, torch.Tensor]]:
    """Blocks and types by GGUF's names, and what they stand for by Hugging Face's."""
    packed, floats = {"rope_freqs.weight": (np.ones(16, np.float32), Kind.F32)}, {}
    for name, tensor in tensors.items():
        if ".vision_tower." in name or ".embed_vision." in name:
            continue
        kind = chosen(gguf_name(name), tuple(tensor.shape))
        blocks = quantized(tensor.float().numpy(), kind)
        packed[gguf_name(name)] = (blocks, kind)
        floats[name] = torch.from_numpy(gguf.quants.dequantize(blocks, kind)).view(tensor.shape).clone()
    return packed, floats


def write_file(path: Path, packed: Mapping[str, tuple[np.ndarray, Kind]], **said: Any) -> None:
    values = {
        "diffusion-gemma.block_count": SHAPE["num_hidden_layers"],
        "diffusion-gemma.expert_used_count": 2,
        "diffusion-gemma.attention.sliding_window": 8,
        "diffusion-gemma.attention.causal": False,
        "diffusion-gemma.rope.freq_base": 1e6,
        "diffusion.canvas_length": 16,
        "tokenizer.ggml.mask_token_id": 4,
        "tokenizer.ggml.tokens": ["<pad>", "<eos>", "\u2581"],
    } | {key.replace("___", "-").replace("__", "."): value for key, value in said.items()}
    architecture = values.pop("general.architecture", ARCHITECTURE)
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        if value is not None:
            _say(writer, key, value)
    for name, (blocks, kind) in packed.items():
        writer.add_tensor(name, blocks, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_sparse(path: Path, stored: Mapping[str, tuple[tuple[int, ...], Kind]]) -> None:
    """A file of tensors that take no room: shapes and types by their names."""
    words, end = b"GGUF" + struct.pack("<IQQ", 3, len(stored), 1), 0
    words += _text("general.architecture") + struct.pack("<I", 8) + _text(ARCHITECTURE)
    for name, (shape, kind) in stored.items():
        words += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, end)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        end += -(-math.prod(shape) // block * size // 32) * 32
    words += bytes(-len(words) % 32)
    path.write_bytes(words)
    os.truncate(path, len(words) + end)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _say(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    kinds.get(type(value), writer.add_array)(key, value)


def quantized(values: np.ndarray, kind: Kind) -> np.ndarray:
    """Blocks [..., bytes] of a tensor, or its values where it stays in floats."""
    if kind == Kind.F32:
        return values
    if kind not in (Kind.Q4_K, Kind.Q5_K, Kind.Q6_K):
        return gguf.quants.quantize(values, kind)
    blocks = values.astype(np.float64).reshape(-1, 256)
    packed = q6_k(blocks) if kind == Kind.Q6_K else with_least(blocks, 4 if kind == Kind.Q4_K else 5)
    return packed.reshape(*values.shape[:-1], -1)


def with_least(blocks: np.ndarray, bits: int) -> np.ndarray:
    """Q4_K and Q5_K: a run's levels begin at its least value, which is at most 0."""
    runs = blocks.reshape(-1, 8, 32)
    least = -np.minimum(runs.min(-1), 0)
    steps = (runs.max(-1) + least) / (2**bits - 1)
    outer, low = (f16(numbers.max(-1) / 63) for numbers in (steps, least))
    scale, offset = (np.rint(one / two[:, None]).clip(0, 63) for one, two in ((steps, outer), (least, low)))
    levels = (runs + (low[:, None] * offset)[..., None]) / np.maximum(outer[:, None] * scale, 1e-9)[..., None]
    levels = np.rint(levels).clip(0, 2**bits - 1).astype(np.uint8)
    highest = [np.bitwise_or.reduce((levels >> 4) << np.arange(8, dtype=np.uint8)[:, None], axis=1)] * (bits - 4)
    nibbles = (levels[:, 0::2] & 15 | (levels[:, 1::2] & 15) << 4).reshape(-1, 128)
    return np.concatenate([halves(outer), halves(low), six_bits(scale, offset), *highest, nibbles], axis=-1)


def six_bits(scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """12 bytes of sixteen numbers: four of each whole, and of the others the lower four bits together, the upper two
    above the first."""
    one, two = scale.astype(np.uint8), offset.astype(np.uint8)
    first, second = (numbers[:, :4] | numbers[:, 4:] >> 4 << 6 for numbers in (one, two))
    return np.concatenate([first, second, one[:, 4:] & 15 | (two[:, 4:] & 15) << 4], axis=-1)


def q6_k(blocks: np.ndarray) -> np.ndarray:
    runs = blocks.reshape(-1, 16, 16)
    steps = np.abs(runs).max(-1) / 31
    outer = f16(steps.max(-1) / 127)
    scale = np.rint(steps / outer[:, None]).clip(1, 127)
    levels = np.rint(runs / (outer[:, None] * scale)[..., None]).clip(-32, 31).astype(np.int64) + 32
    halved = levels.astype(np.uint8).reshape(-1, 2, 4, 32)
    lower = (halved[:, :, :2] & 15 | (halved[:, :, 2:] & 15) << 4).reshape(-1, 128)
    upper = np.bitwise_or.reduce((halved >> 4) << np.arange(0, 8, 2, dtype=np.uint8)[:, None], axis=2)
    return np.concatenate([lower, upper.reshape(-1, 64), scale.astype(np.uint8), halves(outer)], axis=-1)


def f16(numbers: np.ndarray) -> np.ndarray:
    """As they are stored, and never 0."""
    return np.maximum(numbers, 1e-5).astype(np.float16).astype(np.float64)


def halves(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype("<f2").view(np.uint8).reshape(-1, 2)
