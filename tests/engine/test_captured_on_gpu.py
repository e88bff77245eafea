"""Passes that a GPU launches as CUDA graphs, of both families: they compute what passes that are not captured do."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_diffusion_gemma as tiny
import torch
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Gap, WarmsUp
from lacuna.engine.device import runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.block_diffusion import CanvasState, generate
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.families.gap.filler import GapFiller

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]

SAMPLER = EntropyBoundConfig(max_new_tokens=3 * tiny.CANVAS, max_denoising_steps=3, eos_token_ids=())
GAP = Gap("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", "python", max_tokens=12)


def generated(model: DiffusionGemma) -> list[CanvasState]:
    cache = model.cache()
    model.encode(tiny.prompt(1, 1, 64).to("cuda"), cache)  # as many as a captured reading has: no rounding differs
    return list(generate(model, cache, SAMPLER, Noise(0, tiny.VOCABULARY, "cuda")))


@torch.inference_mode()
def test_generations_with_the_same_noise(tmp_path: Path) -> None:
    tiny.reference(3, 8).save_pretrained(tmp_path)
    model = checkpoint.load(tmp_path, runtime.choose("cuda"))
    model.capture()
    assert model.launches == "as CUDA graphs" and model.captured is not None
    captured, model.captured = generated(model), None
    eager = generated(model)
    assert len(captured) == len(eager) == 9
    for mine, other in zip(captured, eager, strict=True):
        assert mine.canvas.equal(other.canvas) and mine.best.equal(other.best)


@pytest.mark.parametrize("write", [write_tiny_model, write_tiny_fim_model])
def test_fills_and_what_is_prepared_for_them(tmp_path: Path, write: object) -> None:
    assert callable(write)
    filler = load.load(str(write(tmp_path / "model")), runtime.choose("cuda", "float32"))
    assert isinstance(filler, GapFiller) and isinstance(filler, WarmsUp)
    assert filler.launches == "as CUDA graphs"
    for piece in filler.warm_ups():
        piece()
    kernels = filler.denoiser.base.kernels
    assert kernels is not None and kernels.graphs is not None
    known = len(kernels.graphs)
    captured = filler.infill(GAP, document="a.py", num_candidates=2)[0]
    assert len(kernels.graphs) == known, "no question waits for a capture"
    kernels.graphs = None
    assert filler.infill(GAP, document="b.py", num_candidates=2)[0].text == captured.text
