"""The sampler on real weights: what it decides is what the model says token by token, in fewer passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import embedded, preview_cases, read, tokenizer

from engine.canvas_tree import CanvasTree
from engine.copies import Copies
from engine.drafting import Drafter
from engine.lane import Lane
from engine.sampler import denoise
from engine.seams import Seam

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", preview_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Seam("", "", b"", False)  # the cases have no seam


def sampled(case: dict[str, Any], lanes: int = 1, drafts: bool = True, copy: str = "") -> tuple[list[Lane], int]:
    """Fills, and the passes they took. `copy` stands elsewhere behind what is left of the hole."""
    filled, passes = embedded(), 0
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    end = filled.denoiser.config.end_of_hole_token_id
    made = [Lane(12, OPEN, tokenizer(), 0, end) for _ in range(lanes)]
    drafter = Drafter(context.ids, Copies([[*context.ids, *tokenizer().encode(copy)]]), end)

    def count() -> None:
        nonlocal passes
        passes += 1

    for _ in denoise(filled.denoiser, context, made, drafter if drafts else None, count):
        pass
    return made, passes


@CASES
@torch.inference_mode()
def test_each_token_is_the_best_behind_those_before_it(case: dict[str, Any]) -> None:
    """Computed anew for every token, in a context of its own."""
    filled, decided, score = embedded(), list[int](), 0.0
    end = filled.denoiser.config.end_of_hole_token_id
    while len(decided) < 12:
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        row = filled.denoiser.denoise(context, CanvasTree([tuple(decided)], {})).following[tuple(decided)]
        token = int(row.argmax())
        score += float(row[token])
        if token == end:
            break
        decided.append(token)
    for drafts in (False, True):
        (lane,), passes = sampled(case, drafts=drafts)
        assert lane.tokens == decided
        assert lane.score == pytest.approx(score, abs=1e-2)
        assert passes <= len(decided) + lane.ended
    assert passes < len(decided) + lane.ended or len(decided) < 2


@CASES
@torch.inference_mode()
def test_lanes_part_at_the_first_token_and_the_first_is_what_it_is_alone(case: dict[str, Any]) -> None:
    lanes, _ = sampled(case, lanes=3)
    (alone,), _ = sampled(case)
    assert lanes[0].tokens == alone.tokens
    assert len({tuple(lane.tokens[:1]) for lane in lanes}) == 3


@torch.inference_mode()
def test_a_copy_saves_passes_and_changes_no_fill() -> None:
    case = preview_cases()[0]
    (plain,), passes = sampled(case)
    (copied,), fewer = sampled(case, copy=plain.spelled.decode())
    assert copied.tokens == plain.tokens
    assert fewer < passes
    (misled,), _ = sampled(case, copy="return None  # as nobody would go on here")
    assert misled.tokens == plain.tokens


@torch.inference_mode()
def test_the_empty_fill_is_scored_too() -> None:
    case, end = preview_cases()[1], embedded().denoiser.config.end_of_hole_token_id
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    lane = Lane(12, Seam("", "", b" con", False), tokenizer(), 0, end)
    for _ in denoise(embedded().denoiser, context, [lane], None, lambda: None):
        pass
    ids, expected = tokenizer().encode(" con"), 0.0
    for at, token in enumerate([*ids, end]):
        said = embedded().denoiser.denoise(context, CanvasTree([tuple(ids[:at])], {})).following
        expected += float(said[tuple(ids[:at])][token])
    assert lane.empty_score == pytest.approx(expected, abs=1e-2)
