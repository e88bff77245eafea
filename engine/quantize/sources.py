"""Checkpoints that can be quantized: which weights they hold, and what these may become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.gap import loading
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects import claims
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.load import DIFFUSION_GEMMA, GAP
from lacuna.engine.quantize import masked, recipe
from lacuna.engine.quantize.recipe import Recipe
from lacuna.engine.untrusted import config_file

_RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    **dict.fromkeys(GAP, recipe.DECODER),
    DIFFUSION_GEMMA: recipe.DIFFUSION_GEMMA,
    masked.DREAM: recipe.DECODER,
    masked.LLADA: recipe.LLADA,
}


class QuantizeError(Exception):
    """A checkpoint that cannot be quantized, or not to there; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A checkpoint in floats."""

    directory: Path
    config: Mapping[str, Any]  # the content of its config.json
    plan: Plan
    recipe: Recipe

    @staticmethod
    def of(directory: Path, to: str) -> Source:
        """`to` is one of recipe.NAMES. Raises QuantizeError, and LoadError for what cannot be read."""
        config = config_file.read(directory / "config.json").values
        recipes = _recipes(directory, config)
        if to not in recipes:
            raise QuantizeError(f"{directory} has no experts: quantize it to {', '.join(recipes)}")
        file = weight_files.source(directory)
        if file != directory:
            raise QuantizeError(f"{file} is GGUF, and only safetensors are quantized: take the original weights")
        plan = planned(directory, config)
        if plan.formats():
            formats = ", ".join(plan.formats())
            raise QuantizeError(f"{directory} is quantized already ({formats}): take the original weights")
        return Source(directory, config, plan, recipes[to])


def planned(directory: Path, config: Mapping[str, Any]) -> Plan:
    """What a directory holds, by the headers and its config. Raises LoadError."""
    kind = config["model_type"]
    if kind == DIFFUSION_GEMMA:
        return checkpoint.planned(directory, DiffusionGemmaConfig.from_hf(config))
    if kind in masked.MODELS:
        return claims.planned(directory, masked.config(config).shapes(), masked.canonical(kind))
    return loading.planned(directory, loading.read_config(directory))


def _recipes(directory: Path, config: Mapping[str, Any]) -> Mapping[str, Recipe]:
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _RECIPES:
        raise QuantizeError(f"{directory} holds a {str(kind)[:60]!r}, and only {', '.join(_RECIPES)} are quantized")
    return _RECIPES[kind]
