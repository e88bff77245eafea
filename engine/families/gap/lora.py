"""Adapters in PEFT's LoRA layout (arXiv 2106.09685), merged into a copy of the base's layers, one product instead of
three; beside those that stay packed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap.denoiser import GapConfig
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.linear import Matrix
from lacuna.engine.layers.low_rank import LowRank
from lacuna.engine.models.decoder import DecoderConfig
from lacuna.engine.store import named_path, paths
from lacuna.engine.store.named_models import NAMED_MODELS
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

CONFIG, FILE = "adapter_config.json", "adapter_model.safetensors"
BASE = "base_model_name_or_path"  # PEFT's name of it
MASK = "mask_embedding"
# A layer's matrices.
TARGETS = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})


@dataclass(frozen=True)
class Adapter:
    config: Mapping[str, Any]  # adapter_config.json
    tensors: Mapping[str, Tensor]

    @property
    def mask_embedding(self) -> Tensor:
        """[hidden]"""
        return self.tensors[MASK]

    def merged(self, layer: int, base: Mapping[str, Tensor | Matrix], runtime: Runtime) -> dict[str, Tensor | Matrix]:
        """One layer's weights with the adapter added: W + alpha / r * B A. A tensor is added to in float32, and keeps
        its dtype; a matrix in another form gets the factors beside it, for passes in the runtime's dtype."""
        adapted = dict(base)
        for name, weight in base.items():
            matrix = name.removesuffix(".weight")
            if matrix.split(".")[-1] in self.config["target_modules"]:
                lora_a, lora_b = self.factors(f"{layer}.{matrix}", runtime.device)
                if isinstance(weight, Tensor):
                    adapted[name] = torch.addmm(weight.float(), lora_b, lora_a).to(weight.dtype)
                else:
                    adapted[name] = LowRank(weight, lora_a.to(runtime.torch_dtype), lora_b.to(runtime.torch_dtype))
        return adapted

    def beside(self, layer: int, runtime: Runtime, matrix: Matrix, names: Sequence[str]) -> Matrix:
        """The product with several matrices of a layer as one, with their factors beside it."""
        factors = [self.factors(f"{layer}.{name}", runtime.device) for name in names]
        lora_a, lora_b = torch.cat([a for a, _ in factors]), torch.block_diag(*(b for _, b in factors))
        return LowRank(matrix, lora_a.to(runtime.torch_dtype), lora_b.to(runtime.torch_dtype))

    def factors(self, place: str, device: str) -> tuple[Tensor, Tensor]:
        """Of a matrix at a place such as "0.mlp.up_proj": A [rank, in] and alpha / r * B [out, rank], in float32."""
        lora_a, lora_b = (self.tensors[peft_name(place, side)].to(device, torch.float32) for side in "AB")
        return lora_a, lora_b * (self.config["lora_alpha"] / self.config["r"])


def load(
    directory: Path, base: DecoderConfig, model: str, others: Mapping[str, tuple[int, ...]] | None = None
) -> Adapter:
    """Reads an adapter directory. `others`: name and shape of the tensors beside the factors, by default the mask
    vector. Raises LoadError where it does not fit the base, naming the adapter's base, `model`, and the tensors; also
    where both are known by name and are not the same, whatever their shapes."""
    config = config_of(directory)
    made_for = str(config.get(BASE, "a base that it does not name"))[:100]
    if {made_for, model} <= NAMED_MODELS.keys() and made_for != model:
        raise LoadError(f"the adapter in {directory} was made for {made_for}, the model is {model}")
    shapes: dict[str, tuple[int, ...]] = {MASK: (base.hidden_size,)} if others is None else dict(others)
    for layer in range(base.num_hidden_layers):
        for name, shape in base.layer_shapes().items():
            matrix = name.removesuffix(".weight")
            if matrix.split(".")[-1] in config["target_modules"]:
                shapes[peft_name(f"{layer}.{matrix}", "A")] = (config["r"], shape[1])
                shapes[peft_name(f"{layer}.{matrix}", "B")] = (shape[0], config["r"])
    try:
        return Adapter(config, dict(weight_files.checked(directory / FILE, shapes)))
    except weight_files.WeightsError as error:
        raise LoadError(f"the adapter in {directory} was made for {made_for}, the model is {model}: {error}") from error


def config_of(directory: Path) -> Mapping[str, Any]:
    """The content of its adapter_config.json, of which the LoRA part is plausible. Raises LoadError."""
    fields = config_file.read(directory / CONFIG)
    rank = fields.integer("r", 1, 4096)
    fields.number("lora_alpha", 0.0, 1024.0 * rank)
    fields.texts("target_modules", TARGETS, len(TARGETS))
    return fields.values


def trained(name: str) -> Path:
    """The directory of an adapter by the name that `lacuna train gap` gave it, or by its path.

    Raises ValueError where there is none.
    """
    directory = named_path.path(name)
    if directory is None and re.fullmatch(r"\w[\w.-]*", name):
        directory = paths.training() / name
    if directory is None:
        raise ValueError(f"{name!r} is no adapter's name; {named_path.HOW}")
    if not os.path.lexists(directory / FILE):
        raise ValueError(
            f"there is no adapter {directory}: `lacuna train gap --name {name}` makes one, and {named_path.HOW}"
        )
    return directory


def in_words(directory: Path) -> str:
    """Where an adapter comes from and what it is, for people. Raises LoadError."""
    config = config_of(directory)
    layout = "FIM" if GapConfig.is_fim(config) else "two reads"
    return f"{directory}, LoRA of rank {config['r']}, layout: {layout}"


def peft_name(place: str, side: str) -> str:
    """The tensor of a factor, "A" or "B", for a matrix at a place such as "0.mlp.up_proj"."""
    return f"base_model.model.model.layers.{place}.lora_{side}.weight"
