"""A tiny DiffusionGemma of a packed checkpoint: loaded, and what it says beside its dequantized weights."""

from __future__ import annotations

from pathlib import Path

import tiny_diffusion_gemma as tiny
import torch

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.block_diffusion import generate
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma

SAMPLER = EntropyBoundConfig(max_new_tokens=32, max_denoising_steps=8, t_min=0.2, t_max=0.4, eos_token_ids=(1,))


def load(directory: Path, dtype: str = "float32") -> DiffusionGemma:
    return checkpoint.load(directory, Runtime("cpu", dtype, 0, "tests"))


@torch.inference_mode()
def logits(model: DiffusionGemma) -> torch.Tensor:
    cache = model.cache()
    model.encode(tiny.prompt(0, 1, 20), cache)
    return model.logits(model.denoise(tiny.prompt(1, 1, tiny.CANVAS), cache))


@torch.inference_mode()
def canvases(model: DiffusionGemma) -> list[torch.Tensor]:
    cache = model.cache()
    model.encode(tiny.prompt(2, 1, 12), cache)
    return [state.canvas for state in generate(model, cache, SAMPLER, Noise(3, tiny.VOCABULARY, "cpu"))]


def check_logits(directory: Path) -> None:
    """Those of the dequantized weights in `directory`/float32: in float32 up to the order of sums; in bfloat16 both
    round, the packed model not more often."""
    exact = logits(load(directory / "float32"))
    assert (logits(load(directory)) - exact).abs().max() < 2e-4
    rounded = (logits(load(directory / "float32", "bfloat16")) - exact).abs().mean()
    assert (logits(load(directory, "bfloat16")) - exact).abs().mean() < 1.2 * rounded
