"""The table of published checkpoints: against the published config, and against what docs/SETTINGS.md says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tiny_diffusion_gemma import published_config

from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.published import CHECKPOINTS, CONFIG

SETTINGS = Path(__file__).parents[4] / "docs" / "SETTINGS.md"
# GB, which test_packed_memory.py finds by headers as the published files'.
SIZES = {"bf16": 50.5, "fp8": 26.1, "nvfp4": 17.7, "int4": 16.1, "Q4_0": 15.3, "Q4_K": 19.2, "Q8_0": 27.5}


def test_the_config_is_the_published_one() -> None:
    assert DiffusionGemmaConfig.from_hf(published_config()) == CONFIG


@pytest.mark.parametrize("form", CHECKPOINTS)
def test_the_weights_take_what_is_said_of_them(form: str) -> None:
    plan = CHECKPOINTS[form].plan(CONFIG)
    total = sum(weight.nbytes(torch.bfloat16) for weight in plan.weights.values())
    assert total / 1e9 == pytest.approx(SIZES[form], abs=0.05)
    assert re.search(rf"\| {re.escape(CHECKPOINTS[form].name)} \|.*\| {SIZES[form]} GB \|", SETTINGS.read_text("utf-8"))
