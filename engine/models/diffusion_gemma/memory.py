"""How much memory a DiffusionGemma needs, before a byte of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from engine.models.diffusion_gemma.cache import SPARE
from engine.models.diffusion_gemma.config import DiffusionGemmaConfig


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    weights: int
    cache: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations


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
    return 3 * (kept + config.canvas_length) // 2  # a buffer grows by half when it is full


def _slot_size(config: DiffusionGemmaConfig, layer: int) -> int:
    attention = config.attention(layer)
    return 2 * attention.num_key_value_heads * attention.head_dim
