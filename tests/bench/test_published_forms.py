"""The bench at published size: what its random weights are and take, and the floors that times are held against."""

from __future__ import annotations

import math

import pytest
import step_floor
import tiny_diffusion_gemma as tiny
import torch
from published_forms import FORMS, random_weights

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.published import CHECKPOINTS, CONFIG
from lacuna.engine.layers.quantized.codec import Codec

H200, H200_PEAK = 4.8e12, 989e12


@pytest.mark.parametrize("form", FORMS)
def test_random_weights_make_a_model_that_computes(form: str) -> None:
    config = DiffusionGemmaConfig.from_hf(
        tiny.reference(0, 8, 0.3, hidden_size=64, intermediate_size=64, moe_intermediate_size=32).config.to_dict()
    )
    plan = CHECKPOINTS[form].plan(config)
    weights = dict(random_weights(plan, "cpu"))
    for name, weight in weights.items():
        matrix = weight.decode(torch.float32) if isinstance(weight, Codec) else weight.float()
        assert matrix.shape == plan.weights[name].shape
        if matrix.dim() > 1:
            assert matrix.std().item() == pytest.approx(0.02, rel=0.25), name
    assert any(isinstance(weight, Codec) for weight in weights.values()) == (form != "bf16")
    model = checkpoint.assemble(config, iter(weights.items()), Runtime("cpu", "bfloat16", 1, "test"))
    hidden = model.denoise(torch.arange(8)[None], model.cache())
    assert bool(model.logits(hidden).isfinite().all())


def test_the_floors_are_those_of_the_arithmetic() -> None:
    """bfloat16 on an H200 behind 1,000 tokens: 52.7 GB, 11.0 ms by bytes and 11.4 with sums."""
    parts = step_floor.step(CONFIG, CHECKPOINTS["bf16"].plan(CONFIG).weights, 256, 1000)
    assert parts["experts"].flops == pytest.approx(731e9, rel=0.01)
    assert parts["attention"].flops == pytest.approx(568e9, rel=0.01)
    assert parts["scores"].flops == pytest.approx(188e9, rel=0.05)
    assert sum(part.nbytes for part in parts.values()) / 1e9 == pytest.approx(52.7, abs=0.2)
    assert 1e3 * step_floor.floor(parts.values(), H200, None) == pytest.approx(11.0, abs=0.1)
    assert 1e3 * step_floor.floor(parts.values(), H200, H200_PEAK) == pytest.approx(11.4, abs=0.1)


def test_a_short_canvas_reads_fewer_experts() -> None:
    plan = CHECKPOINTS["int4"].plan(CONFIG).weights
    short, whole = (step_floor.step(CONFIG, plan, tokens, 512)["experts"] for tokens in (32, 256))
    assert short.nbytes / whole.nbytes == pytest.approx(1 - (15 / 16) ** 32, rel=1e-4)
    assert math.isclose(8 * short.flops, whole.flops)


def test_a_peak_is_known_by_the_devices_name() -> None:
    assert step_floor.peak_of("NVIDIA H200") == 989e12
    assert step_floor.peak_of("NVIDIA GeForce RTX 4090") == 165e12
    assert step_floor.peak_of("cpu") is None
