"""A random edits adapter for a tiny model in the FIM layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_model import write_tiny_fim_model

from lacuna.engine.families.gap import lora
from lacuna.engine.families.gap.loading import EDITS
from lacuna.engine.models import architectures

RANK = 4


def write_tiny_edits_model(directory: Path, *, adapter: bool = True) -> Path:
    """The model with its own adapter, or without, and an edits adapter inside."""
    write_tiny_fim_model(directory, adapter=adapter)
    config = architectures.read(json.loads((directory / "config.json").read_text(encoding="utf-8")))
    numbers = torch.Generator().manual_seed(1)
    tensors = {}
    for layer in range(config.num_hidden_layers):
        for name, shape in config.layer_shapes().items():
            if len(shape) == 2:
                place = f"{layer}.{name.removesuffix('.weight')}"
                tensors[lora.peft_name(place, "A")] = torch.randn(RANK, shape[1], generator=numbers) * 0.1
                tensors[lora.peft_name(place, "B")] = torch.randn(shape[0], RANK, generator=numbers) * 0.1
    words = {"r": RANK, "lora_alpha": 2 * RANK, "target_modules": sorted(lora.TARGETS)}
    inside = directory / EDITS
    inside.mkdir()
    (inside / lora.CONFIG).write_text(json.dumps(words), encoding="utf-8")
    save_file(tensors, inside / lora.FILE)
    return directory
