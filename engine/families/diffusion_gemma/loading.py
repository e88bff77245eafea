"""A DiffusionGemma filler from the files of a checkpoint directory."""

from __future__ import annotations

import os
from pathlib import Path

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig
from lacuna.engine.families.diffusion_gemma.filler import DiffusionGemmaInfiller
from lacuna.engine.families.diffusion_gemma.tokenizer import GemmaTokenizer
from lacuna.engine.untrusted import config_file


def load(directory: Path, runtime: Runtime) -> DiffusionGemmaInfiller:
    """From a checkpoint directory. Raises LoadError."""
    model = checkpoint.load(directory, runtime)
    generation = directory / "generation_config.json"
    settings = config_file.read(generation).values if os.path.lexists(generation) else {}
    sampler = EntropyBoundConfig.from_hf(settings, model.config.vocab_size)
    tokenizer = GemmaTokenizer(directory / "tokenizer.json", model.config.vocab_size)
    model.capture()
    return DiffusionGemmaInfiller(model, tokenizer, sampler, runtime.threads)
