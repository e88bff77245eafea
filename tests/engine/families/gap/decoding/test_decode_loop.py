"""The sampler on real weights: what it decides is what the model says token by token, in fewer passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import embedded, preview_cases, read, tokenizer
from lacuna.engine.families.gap.decoding.decode_loop import Search, denoise
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Lane
from lacuna.engine.families.gap.decoding.prompt_lookup import Copies
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.text.token_healing import Seam

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", preview_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Seam("", "", b"", False)  # the cases have no seam


def sampled(
    case: dict[str, Any], wanted: int = 1, drafts: bool = True, copy: str = "", short: bool = True
) -> tuple[list[Lane], int]:
    """Lanes, the first one first, and the passes they took. `copy` stands elsewhere behind what is left of the hole."""
    filled, passes = embedded(), 0
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    end = filled.denoiser.config.end_of_hole_token_id
    lanes, search = [Lane(12, OPEN, tokenizer(), 0, end)], Search(wanted, 2 * wanted - 1 if short else wanted, short)
    drafter = Drafter(context.ids, Copies([[*context.ids, *tokenizer().encode(copy)]]), end)

    def count() -> None:
        nonlocal passes
        passes += 1

    for _ in denoise(filled.denoiser, context, lanes, search, drafter if drafts else None, count):
        pass
    return lanes, passes


@CASES
@torch.inference_mode()
def test_each_token_is_the_best_behind_those_before_it(case: dict[str, Any]) -> None:
    """Computed anew for every token, in a context of its own, as far as the first lane goes."""
    filled, decided, score = embedded(), list[int](), 0.0
    end = filled.denoiser.config.end_of_hole_token_id
    for drafts in (False, True):
        (lane, *_), passes = sampled(case, drafts=drafts)
        assert passes <= len(lane.tokens) + 1
    while len(decided) < 12 and (lane.finished or len(decided) < len(lane.tokens)):
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        row = filled.denoiser.denoise(context, CanvasTree([tuple(decided)], {})).following[tuple(decided)]
        token = int(row.argmax())
        score += float(row[token])
        if token == end:
            break
        decided.append(token)
    assert lane.tokens == decided
    assert score - 1e-2 <= lane.score < 0.0


@torch.inference_mode()
def test_drafts_save_passes_and_change_no_fill() -> None:
    def fills(drafts: bool) -> tuple[list[list[list[int]]], int]:
        each = [sampled(case, wanted=2, drafts=drafts) for case in preview_cases()]
        return [whole(lanes, 2) for lanes, _ in each], sum(passes for _, passes in each)

    (drafted, passes), (undrafted, more) = fills(True), fills(False)
    assert drafted == undrafted
    assert passes < 0.75 * more


def whole(lanes: list[Lane], wanted: int) -> list[list[int]]:
    return [lane.tokens for lane in lanes[:wanted]]


@CASES
@torch.inference_mode()
def test_lanes_differ_and_scores_are_those_of_the_whole_text(case: dict[str, Any]) -> None:
    lanes, _ = sampled(case, wanted=3)
    fills = whole(lanes, 3)
    assert len({tuple(fill) for fill in fills}) == len(fills) == 3
    end = embedded().denoiser.config.end_of_hole_token_id
    for lane in (lane for lane in lanes if lane.ended):
        context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
        said = embedded().denoiser.denoise(context, CanvasTree([tuple(lane.tokens)], {})).following
        ids = [*lane.tokens, end]
        expected = sum(float(said[tuple(ids[:at])][token]) for at, token in enumerate(ids))
        assert lane.score >= expected - 1e-2  # other ways of writing the same text count too
        assert lane.score < 0.0


@CASES
@torch.inference_mode()
def test_the_best_fill_is_no_worse_than_the_greedy_one(case: dict[str, Any]) -> None:
    greedy = Lane(12, OPEN, tokenizer(), 0, embedded().denoiser.config.end_of_hole_token_id)
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    while not greedy.finished:
        row = (
            embedded().denoiser.denoise(context, CanvasTree([tuple(greedy.tokens)], {})).following[tuple(greedy.tokens)]
        )
        token = int(row.argmax())
        greedy.accept(len(greedy.tokens), token, float(row[token]), float(row[token]))
    for wanted in (1, 2, 3):
        lanes, _ = sampled(case, wanted)
        assert max(lane.score for lane in lanes if lane.finished) >= greedy.score - 1e-2


@CASES
@torch.inference_mode()
def test_of_long_holes_the_first_lane_is_greedy_and_others_part_at_the_first_token(case: dict[str, Any]) -> None:
    lanes, _ = sampled(case, wanted=3, short=False)
    assert all(lane.finished for lane in lanes)
    assert len({tuple(lane.tokens[:1]) for lane in lanes}) == len(lanes) == 3
    first, _ = sampled(case, wanted=1, short=False)
    assert len(first) == 1
    assert first[0].tokens in [lane.tokens for lane in lanes]


@torch.inference_mode()
def test_a_copy_saves_passes_and_changes_no_fill() -> None:
    case = preview_cases()[0]
    plain, passes = sampled(case)
    copied, fewer = sampled(case, copy=plain[0].spelled.decode())
    assert whole(copied, 1) == whole(plain, 1)
    assert fewer < passes
    misled, _ = sampled(case, copy="return None  # as nobody would go on here")
    assert whole(misled, 1) == whole(plain, 1)


@torch.inference_mode()
def test_the_empty_fill_is_scored_too() -> None:
    case, end = preview_cases()[1], embedded().denoiser.config.end_of_hole_token_id
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    lane = Lane(12, Seam("", "", b" con", False), tokenizer(), 0, end)
    for _ in denoise(embedded().denoiser, context, [lane], Search(1, 1, True), None, lambda: None):
        pass
    ids, expected = tokenizer().encode(" con"), 0.0
    for at, token in enumerate([*ids, end]):
        said = embedded().denoiser.denoise(context, CanvasTree([tuple(ids[:at])], {})).following
        expected += float(said[tuple(ids[:at])][token])
    assert lane.empty_score == pytest.approx(expected, abs=1e-2)
