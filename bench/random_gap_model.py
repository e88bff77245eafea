"""Qwen2.5-Coder 0.5B's sizes with random weights and a token per byte: for machines that cannot pull it.

How long a pass takes depends on sizes alone; how many a keystroke takes, and what is filled, mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lacuna.engine.models import architectures

# What the published config.json says.
PUBLISHED: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": False,
}
MARKERS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_sep|>")
END_OF_TEXT = "<|endoftext|>"
SPREAD = 0.02  # of weights, as a model's are before it is trained


def write(directory: Path) -> Path:
    """A whole model directory in bfloat16, 1.3 GB, but for an adapter."""
    _tokenizer().save(str(directory / "tokenizer.json"))
    (directory / "config.json").write_text(json.dumps(PUBLISHED), encoding="utf-8")
    generator = torch.Generator().manual_seed(0)
    weights = {name: _random(shape, generator) for name, shape in architectures.read(PUBLISHED).shapes().items()}
    save_file(weights, directory / "model.safetensors")
    return directory


def _random(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Vectors are norms, and biases alike."""
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(0.0, SPREAD, generator=generator)


def _tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={END_OF_TEXT: 0} | {sign: at for at, sign in enumerate(alphabet, 1)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    tokenizer.add_tokens(list(MARKERS))
    return tokenizer
