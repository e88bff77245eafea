"""How much memory a DiffusionGemma needs, before a byte of it is loaded."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.cache import FIRST_CAPACITY, SPARE
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.filler import PROMPTS, VERSIONS
from lacuna.engine.families.diffusion_gemma.packed_experts import AT_ONCE
from lacuna.engine.layers import packed_memory, weight_files
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.untrusted import config_file

PROMPT_TOKENS = 8192  # the longest prefix that is read, the far suffix, and snippets; with code's 3 characters a token


def needed(directory: Path, runtime: Runtime) -> Memory:
    """For infilling with a checkpoint directory: its weights as its headers say, or as config.json does where there
    are none yet. Raises LoadError for what is not supported."""
    config = DiffusionGemmaConfig.from_hf(config_file.read(directory / "config.json").values)
    plan = checkpoint.planned(directory, config) if weight_files.exist(directory) else None
    tokens = min(PROMPT_TOKENS, config.max_position_embeddings)
    if plan is not None:
        return of_plan(config, plan, runtime, tokens)
    rest = beside(config, runtime, tokens, is_packed=False)
    weights = sum(prod(shape) for shape in config.shapes().values()) * runtime.torch_dtype.itemsize
    return replace(rest, weights=weights + rest.weights)


def of_plan(config: DiffusionGemmaConfig, plan: Plan, runtime: Runtime, tokens: int) -> Memory:
    """For infilling with weights as a plan has them, with prompts of so many tokens."""
    rest = beside(config, runtime, tokens, is_packed=False)
    weights = sum(packed_memory.loaded(planned, runtime) for planned in plan.weights.values())
    decoded = packed_memory.decoded(plan, runtime, 1 if runtime.device == "cpu" else AT_ONCE)
    return Memory(
        weights + rest.weights,
        rest.cache,
        rest.activations + decoded,
        tuple(plan.formats()),
        packed_memory.in_words(plan, runtime),
    )


def beside(config: DiffusionGemmaConfig, runtime: Runtime, tokens: int, *, is_packed: bool) -> Memory:
    """All but the weights as they are stored, for prompts of so many tokens; `is_packed` where experts may be decoded
    at every use."""
    size = runtime.torch_dtype.itemsize
    one = estimate(config, size, tokens)
    at_once = min(config.num_experts, 1 if runtime.device == "cpu" else AT_ONCE)
    expert = 2 * config.moe_intermediate_size * config.hidden_size
    decoded = 3 * size * expert * at_once if is_packed else 0
    # On CPU the head's matrix is packed for its product, and kept as it is to look tokens up.
    packed = config.vocab_size * config.hidden_size * size if runtime.device == "cpu" else 0
    return Memory(packed, (PROMPTS + VERSIONS) * one.cache, one.activations + decoded)


def estimate(config: DiffusionGemmaConfig, element_size: int, context: int) -> Memory:
    """For `element_size` bytes a number and a text of `context` tokens; the weights in floats."""
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
