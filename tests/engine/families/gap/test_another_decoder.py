"""The family on a second implementation of `CausalDecoder`, head by head: the same fills and surprises."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from packed_gap_model import WRITERS, loaded
from plain_decoder import PlainDecoder

from lacuna.engine.api import Gap, Passage
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.filler import GapFiller

GAPS = [
    Gap("def area(width, height):\n    return ", "\n\nprint(area(2, 3))\n", "python", max_tokens=12),
    Gap("a = [1, 2", "]\n", max_tokens=8, max_lines=1),
    Gap("a = [1, 22", "]\n", max_tokens=8, max_lines=1),  # over the cache of the one before
]


def on_plain_decoders(directory: Path, filler: GapFiller) -> GapFiller:
    """The same model on decoders that share no line with ours."""
    adapted = PlainDecoder(directory, directory)
    base = adapted if filler.denoiser.config.markers is not None else PlainDecoder(directory)
    denoiser = GapDenoiser(filler.denoiser.config, base, adapted, filler.denoiser._mask_embedding)
    return GapFiller(denoiser, filler.tokenizer, 1)


@pytest.mark.parametrize("kind", WRITERS)
@torch.inference_mode()
def test_fills_are_the_same(tmp_path: Path, kind: str) -> None:
    ours = loaded(WRITERS[kind](tmp_path))
    plain = on_plain_decoders(tmp_path, ours)
    for gap in GAPS:
        (expected, *_), (found, *_) = plain.infill(gap), ours.infill(gap)
        assert (found.text, found.forwards) == (expected.text, expected.forwards)
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)


@pytest.mark.parametrize("kind", WRITERS)
def test_surprises_are_the_same(tmp_path: Path, kind: str) -> None:
    ours = loaded(WRITERS[kind](tmp_path))
    passage = Passage("print(total)\n", "total = 1\n", "sum = 1\n", threshold=-100.0)
    expected, found = (filler.surprises(passage) for filler in (on_plain_decoders(tmp_path, ours), ours))
    assert len(found) == len(expected) > 0
    assert [surprise.drop for surprise in found] == pytest.approx([surprise.drop for surprise in expected], abs=1e-3)
