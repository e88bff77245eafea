"""A model directory with random weights, in the format of the real ones: fast, whole, and without any sense."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lacuna.engine.models import architectures
from lacuna.engine.models.decoder import DecoderConfig

LAYERS, HIDDEN, RANK = 2, 64, 4
END_OF_TEXT = "<|endoftext|>"
TARGETS = ("q_proj", "v_proj")
MARKERS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_sep|>")


def write_tiny_model(directory: Path, *, endless: bool = False, words: bool = False) -> Path:
    """Write the model, its adapter beside it, and return the directory. `endless`: its fills hardly ever end. `words`:
    text is cut into words before tokens, as all real tokenizers do it; else the library caches whole texts as words."""
    torch.manual_seed(0)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer(words=words)
    config = _config(tokenizer.get_vocab_size())
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (directory / "adapter_config.json").write_text(json.dumps(_adapter_config()), encoding="utf-8")
    llama = architectures.read(config)
    weights = {
        name: torch.ones(shape) if name.endswith("norm.weight") else _random(shape)
        for name, shape in llama.shapes().items()
    }
    embedding = weights["model.embed_tokens.weight"]
    if endless:
        embedding[1:, 0] += 0.6  # what text has in common, so that it calls for more text
        embedding[0] = 0.0  # the end of text
    else:
        embedding[0] *= 8.0
    save_file(weights, directory / "model.safetensors")
    save_file(_adapter(llama), directory / "adapter_model.safetensors")
    return directory


def write_tiny_fim_model(directory: Path, *, adapter: bool = True) -> Path:
    """The same of a base in the FIM layout: Qwen 2 with its markers and a head of its own."""
    torch.manual_seed(0)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer(words=True)
    tokenizer.add_tokens(list(MARKERS))  # not special, as Qwen's own file has them
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {**_config(tokenizer.get_vocab_size() + 3), "model_type": "qwen2", "tie_word_embeddings": False}
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    decoder = architectures.read(config)
    norms = ("norm.weight", "layernorm.weight")
    weights = {
        name: torch.ones(shape) if name.endswith(norms) else _random(shape) for name, shape in decoder.shapes().items()
    }
    weights["lm_head.weight"][0] *= 4.0  # fills end now and then
    save_file(weights, directory / "model.safetensors")
    if adapter:
        words = {"r": RANK, "lora_alpha": 2 * RANK, "target_modules": list(TARGETS), "gap": {"layout": "fim"}}
        (directory / "adapter_config.json").write_text(json.dumps(words), encoding="utf-8")
        save_file(_adapter(decoder), directory / "adapter_model.safetensors")
    return directory


def _byte_tokenizer(*, words: bool = False) -> Tokenizer:
    """One token per byte, after the end of text with id 0; cut into words first or not."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {END_OF_TEXT: 0} | {character: rank for rank, character in enumerate(alphabet, 1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def _config(vocab_size: int) -> dict[str, object]:
    return {
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }


def _adapter_config() -> dict[str, object]:
    gap = {"canvas_lengths": [16], "suffix_distance": 64, "sink_token_id": 0, "end_of_hole_token_id": 0}
    return {"r": RANK, "lora_alpha": 2 * RANK, "target_modules": list(TARGETS), "gap": gap}


def _adapter(llama: DecoderConfig) -> dict[str, torch.Tensor]:
    tensors = {"mask_embedding": _random((llama.hidden_size,))}
    for layer in range(llama.num_hidden_layers):
        for name, shape in llama.layer_shapes().items():
            matrix = name.removesuffix(".weight")
            if matrix.endswith(TARGETS):
                rows, columns = shape
                place = f"base_model.model.model.layers.{layer}.{matrix}"
                tensors[f"{place}.lora_A.weight"] = _random((RANK, columns))
                tensors[f"{place}.lora_B.weight"] = _random((rows, RANK))
    return tensors


def _random(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape) * 0.1
