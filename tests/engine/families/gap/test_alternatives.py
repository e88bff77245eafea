"""Several fills that are longer than a canvas, on a tiny model: each is whole, and has features of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file
from tiny_model import write_tiny_model

from lacuna.engine.api import Gap
from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.filler import GapFiller

CANVAS = 16
GAPS = [
    Gap(f"def f(a):\n    return {name} ", "\n", max_tokens=60, max_lines=1)
    for name in ("ax", "fs")  # with these weights the second has an alternative that ends after three canvases
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> GapFiller:
    """A model whose lines end now and then, but seldom within a canvas."""
    model = write_tiny_model(tmp_path_factory.mktemp("tiny") / "model", endless=True)
    chosen = runtime.choose(device="cpu", dtype="float32")
    newline = loading.load(str(model), chosen).tokenizer.encode("\n")[0]
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"][newline, 0] += 1.3
    save_file(weights, model / "model.safetensors")
    return loading.load(str(model), chosen)


def test_alternatives_go_on_to_their_own_ends(tiny: GapFiller) -> None:
    longest = 0
    for gap in GAPS:
        best, *others = tiny.infill(replace(gap, n_best=3), num_candidates=3)
        alone, *_ = tiny.infill(gap, num_candidates=3)
        assert (best.text, best.features.tokens) == (alone.text, alone.features.tokens)
        for infill in others:
            assert infill.features.ended, "none is broken off at a canvas' edge"
            assert "\n" not in infill.text
            assert "".join(text for text, _ in infill.pieces) == infill.text
            # Added up over several fills there would be more tokens, and a mean would not be one of its own pieces.
            assert infill.features.tokens <= gap.max_tokens + CANVAS
            logs = [log for _, log in infill.pieces]
            assert infill.features.least <= min(logs)
            longest = max(longest, infill.features.tokens)
        assert len({infill.text for infill in (best, *others)}) == 1 + len(others)
    assert longest > CANVAS
