"""What a training run is at a moment, on disk: tensors in safetensors, numbers in JSON. Written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lacuna.engine.families.gap.lora import FILE
from lacuna.engine.layers import weight_files

STATE = "state.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    windows: int = 0  # drawn so far: the counter of Documents.window
    gaps: int = 0
    earlier_gaps: int = 0  # that the adapter which it began with was trained on
    tokens: int = 0  # positions learned
    steps: int = 0
    seconds: float = 0.0


def save(directory: Path, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
    """Parameters and the optimizer's moments, and in the same file how far the run is."""
    directory.mkdir(parents=True, exist_ok=True)
    words = {name: json.dumps(value) for name, value in asdict(progress).items()}
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    unfinished = directory / f".{STATE}"
    save_file(plain, unfinished, metadata=words)
    os.replace(unfinished, directory / STATE)


def load(directory: Path) -> tuple[Progress, dict[str, Tensor]] | None:
    """The last checkpoint; None where there is none. Raises WeightsError for a damaged one."""
    file = directory / STATE
    if not file.exists():
        return None
    words = weight_files.metadata(file)
    progress = Progress(**{name: json.loads(value) for name, value in words.items()})
    return progress, {name: tensor.clone() for name, tensor in weight_files.stream(file)}


def export(directory: Path, config: Mapping[str, Any], parameters: Mapping[str, Tensor]) -> None:
    """An adapter directory as `lacuna.engine.families.gap.lora.load` reads it, in bfloat16."""
    directory.mkdir(parents=True, exist_ok=True)
    halved = {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in parameters.items()}
    unfinished = directory / f".{FILE}"
    save_file(halved, unfinished)
    os.replace(unfinished, directory / FILE)
    (directory / ADAPTER_CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
