"""How much memory a DiffusionGemma needs, before a byte of it is loaded."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma.cache import FIRST_CAPACITY, SPARE
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.filler import PROMPTS, VERSIONS
from lacuna.engine.untrusted import config_file

PROMPT_TOKENS = 8192  # the longest prefix that is read, the far suffix, and snippets; with code's 3 characters a token


def needed(directory: Path, runtime: Runtime) -> Memory:
    """For infilling with a checkpoint directory. Raises LoadError for a config that is not supported."""
    config = DiffusionGemmaConfig.from_hf(config_file.read(directory / "config.json").values)
    size = runtime.torch_dtype.itemsize
    one = estimate(config, size, min(PROMPT_TOKENS, config.max_position_embeddings))
    # On CPU the head's matrix is packed for its product, and kept as it is to look tokens up.
    packed = config.vocab_size * config.hidden_size * size if runtime.device == "cpu" else 0
    return replace(one, weights=one.weights + packed, cache=(PROMPTS + VERSIONS) * one.cache)


def estimate(config: DiffusionGemmaConfig, element_size: int, context: int) -> Memory:
    """For `element_size` bytes a number and a text of `context` tokens."""
    weights = sum(prod(shape) for shape in config.shapes().values()) * element_size
    cache = sum(_slots(config, layer, context) * _slot_size(config, layer) for layer in range(config.num_hidden_layers))
    # Logits and probabilities in float32 outweigh everything else that lives during a step.
    logits = config.canvas_length * config.vocab_size * 4
    return Memory(weights, cache * element_size, 3 * logits)


def _slots(config: DiffusionGemmaConfig, layer: int, context: int) -> int:
    window = config.attention(layer).window
    kept = context if window is None else min(context, window + SPARE)
    # A buffer grows by half when it is full.
    return max(3 * (kept + config.canvas_length) // 2, FIRST_CAPACITY)


def _slot_size(config: DiffusionGemmaConfig, layer: int) -> int:
    attention = config.attention(layer)
    return 2 * attention.num_key_value_heads * attention.head_dim
