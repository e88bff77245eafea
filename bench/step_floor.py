"""The least time that a denoising step of DiffusionGemma can take on a device: what it must read, and what it must sum.

Each part of a step takes max(bytes / bandwidth, FLOPs / peak), and parts follow each other. Sums are those of tensor
cores in bfloat16, to which our kernels decode; what decoding itself takes is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import torch

from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.layers.dialects.translate import Planned

# FLOP/s of dense products in bfloat16 with sums in float32, by a part of the device's name: the makers' figures.
PEAKS = {"H200": 989e12, "H100 80GB HBM3": 989e12, "RTX 4090": 165e12, "RTX 5090": 209e12}
SIZE = 2  # bytes of keys, values and logits
LOGITS_MOVED = 3  # times: written, and read for statistics and for what the next step expects


@dataclass(frozen=True)
class Part:
    nbytes: float
    flops: float

    def seconds(self, bandwidth: float, peak: float | None) -> float:
        return max(self.nbytes / bandwidth, self.flops / peak if peak else 0.0)


def peak_of(device: str) -> float | None:
    """Of a device with this name; None where it is not known."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)


def floor(parts: Iterable[Part], bandwidth: float, peak: float | None) -> float:
    """Seconds; without a peak by bytes alone."""
    return sum(part.seconds(bandwidth, peak) for part in parts)


def step(config: DiffusionGemmaConfig, plan: Mapping[str, Planned], tokens: int, before: int) -> dict[str, Part]:
    """The parts of a step over so many positions, behind `before` tokens of text. Experts are chosen evenly."""
    chosen = config.top_k_experts / config.num_experts
    hit = 1 - (1 - chosen) ** tokens  # experts that some position chose
    # Head and self-conditioning each read the embeddings.
    groups = {
        "experts": [name for name in plan if ".experts." in name],
        "attention": [name for name in plan if ".self_attn." in name],
        "dense": [name for name in plan if ".mlp." in name],
        "head": ["model.decoder.embed_tokens.weight"],
        "self-conditioning": [name for name in plan if ".self_conditioning." in name or ".embed_tokens." in name],
        "router": [name for name in plan if ".router." in name],
    }
    parts = {}
    for group, names in groups.items():
        matrices = sum(prod(plan[name].shape) for name in names)
        nbytes = sum(plan[name].nbytes(torch.bfloat16) for name in names)
        read, used = (hit, chosen) if group == "experts" else (1.0, 1.0)
        parts[group] = Part(read * nbytes, 2 * used * tokens * matrices)
    logits = LOGITS_MOVED * SIZE * tokens * config.vocab_size
    return {**parts, "scores": _scores(config, tokens, before), "logits": Part(logits, 0.0)}


def _scores(config: DiffusionGemmaConfig, tokens: int, before: int) -> Part:
    """Of attention: every layer's keys and values are read, and each position looks at all that it sees."""
    nbytes = flops = 0
    for layer in range(config.num_hidden_layers):
        attention = config.attention(layer)
        seen = tokens + (before if attention.window is None else min(before, attention.window - 1))
        nbytes += SIZE * 2 * seen * attention.num_key_value_heads * attention.head_dim
        flops += 2 * 2 * tokens * seen * config.num_attention_heads * attention.head_dim
    return Part(nbytes, flops)
