"""Adapters in PEFT's LoRA layout (arXiv 2106.09685), merged into a copy of the base's layers: one product instead of
three."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import user_cache, weights
from engine.models.llama import LlamaConfig

FILE = "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    config: Mapping[str, Any]  # adapter_config.json
    tensors: Mapping[str, Tensor]

    @property
    def mask_embedding(self) -> Tensor:
        """[hidden]"""
        return self.tensors["mask_embedding"]

    def merged(self, layer: int, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One layer's weights with the adapter added: W + alpha / r * B A, computed in float32, in the base's dtype."""
        scale = self.config["lora_alpha"] / self.config["r"]
        adapted = dict(base)
        for name, weight in base.items():
            if name.split(".")[-1] in self.config["target_modules"]:
                factors = (self.tensors[peft_name(f"{layer}.{name}", side)] for side in "AB")
                lora_a, lora_b = (factor.to(weight.device, torch.float32) for factor in factors)
                adapted[name] = torch.addmm(weight.float(), lora_b, lora_a, alpha=scale).to(weight.dtype)
        return adapted


def load(directory: Path, base: LlamaConfig) -> Adapter:
    """Reads an adapter directory. Raises WeightsError where it does not fit the base, naming the tensors."""
    config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    shapes: dict[str, tuple[int, ...]] = {"mask_embedding": (base.hidden_size,)}
    for layer in range(base.num_hidden_layers):
        for name, shape in base.layer_shapes().items():
            if name.split(".")[-1] in config["target_modules"]:
                shapes[peft_name(f"{layer}.{name}", "A")] = (config["r"], shape[1])
                shapes[peft_name(f"{layer}.{name}", "B")] = (shape[0], config["r"])
    return Adapter(config, dict(weights.checked(directory / FILE, shapes)))


def trained(name: str) -> Path:
    """Where `lacuna train gap` keeps the adapter of that name; a name that is a directory stands for itself.

    Raises ValueError where there is none.
    """
    for directory in (Path(name).expanduser(), user_cache.training() / name):
        if (directory / FILE).is_file():
            return directory
    raise ValueError(f"there is no adapter {name!r}: `lacuna train gap --name {name}` makes one")


def in_words(directory: Path) -> str:
    """Where an adapter comes from and what it is, for people."""
    config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    lengths = ", ".join(map(str, config["gap"]["canvas_lengths"]))
    return f"{directory}, LoRA of rank {config['r']}, canvas lengths {lengths}"


def peft_name(place: str, side: str) -> str:
    """The tensor of a factor, "A" or "B", for a matrix at a place such as "0.mlp.up_proj"."""
    return f"base_model.model.model.layers.{place}.lora_{side}.weight"
