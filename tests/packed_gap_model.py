"""A tiny model of the gap family in either layout, and what it says: for packed checkpoints and floats alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Gap
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap.filler import GapFiller

WRITERS: dict[str, Callable[[Path], Path]] = {"two reads": write_tiny_model, "FIM": write_tiny_fim_model}
GAP = Gap("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", "python", max_tokens=4)


def loaded(directory: Path, dtype: str = "float32") -> GapFiller:
    filler = load.load(str(directory), Runtime("cpu", dtype, 1, "tests"))
    assert isinstance(filler, GapFiller)
    return filler


@torch.inference_mode()
def log_probs(filler: GapFiller, *, adapted: bool) -> torch.Tensor:
    """Of twelve tokens read from the left by the base, or by the layers of the canvas pass."""
    decoder, tokens = filler.denoiser.adapted if adapted else filler.denoiser.base, 12
    ids, mask = list(range(40, 40 + tokens)), torch.ones(tokens, tokens, dtype=torch.bool).tril()
    hidden = decoder.forward(decoder.embed(ids), torch.arange(tokens), decoder.cache(tokens), 0, 0, mask)
    return decoder.log_probabilities(hidden)
