"""The sampler on real weights: what it decides is what the model says token by token, in fewer passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import embedded, gap_cases, read, tokenizer

from lacuna.engine.families.gap.decoding.decode_loop import decode
from lacuna.engine.families.gap.decoding.drafter import Drafter
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import PromptLookup
from lacuna.engine.families.gap.decoding.search import Beam, Search
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree
from lacuna.engine.text.token_healing import Boundary

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", gap_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Boundary("", "", b"", False)  # the cases have no boundary


def sampled(
    case: dict[str, Any], wanted: int = 1, drafts: bool = True, copy: str = "", short: bool = True
) -> tuple[list[Hypothesis], int]:
    """Hypotheses, the first one first, and the passes they took. `copy` stands elsewhere behind what is left of the
    hole."""
    filled, passes = embedded(), 0
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    end = filled.denoiser.config.end_of_hole_token_id
    first, search = (
        Hypothesis(12, OPEN, tokenizer(), 0, end),
        Search(wanted, 2 * wanted - 1 if short else wanted, short),
    )
    drafter = Drafter(context.ids, PromptLookup([[*context.ids, *tokenizer().encode(copy)]]), end)

    def count() -> None:
        nonlocal passes
        passes += 1

    ends = [end, *case["suffix_ids"][:1]]
    return decode(filled.denoiser, context, Beam(first, ends, search), drafter if drafts else None, count), passes


@CASES
@torch.inference_mode()
def test_each_token_is_the_best_behind_those_before_it(case: dict[str, Any]) -> None:
    """Computed anew for every token, in a context of its own, as far as the first hypothesis goes."""
    filled, decided, score = embedded(), list[int](), 0.0
    end = filled.denoiser.config.end_of_hole_token_id
    for drafts in (False, True):
        (hypothesis, *_), passes = sampled(case, drafts=drafts)
        assert passes <= len(hypothesis.tokens) + 1
    while len(decided) < 12 and (hypothesis.finished or len(decided) < len(hypothesis.tokens)):
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        row = filled.denoiser.denoise(context, CanvasTree([tuple(decided)], {})).log_probs[tuple(decided)]
        token = int(row.argmax())
        score += float(row[token])
        if token == end:
            break
        decided.append(token)
    assert hypothesis.tokens == decided
    assert score - 1e-2 <= hypothesis.score < 0.0


@torch.inference_mode()
def test_drafts_save_passes_and_change_no_fill() -> None:
    def fills(drafts: bool) -> tuple[list[list[list[int]]], int]:
        each = [sampled(case, wanted=2, drafts=drafts) for case in gap_cases()]
        return [whole(hypotheses, 2) for hypotheses, _ in each], sum(passes for _, passes in each)

    (drafted, passes), (undrafted, more) = fills(True), fills(False)
    assert drafted == undrafted
    assert passes < 0.75 * more


def whole(hypotheses: list[Hypothesis], wanted: int) -> list[list[int]]:
    return [hypothesis.tokens for hypothesis in hypotheses[:wanted]]


@CASES
@torch.inference_mode()
def test_lanes_differ_and_scores_are_those_of_the_whole_text(case: dict[str, Any]) -> None:
    hypotheses, _ = sampled(case, wanted=3)
    fills = whole(hypotheses, 3)
    assert len({tuple(fill) for fill in fills}) == len(fills) == 3
    end = embedded().denoiser.config.end_of_hole_token_id
    for hypothesis in (hypothesis for hypothesis in hypotheses if hypothesis.ended):
        context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
        verified = embedded().denoiser.denoise(context, CanvasTree([tuple(hypothesis.tokens)], {})).log_probs
        ids = [*hypothesis.tokens, end]
        expected = sum(float(verified[tuple(ids[:at])][token]) for at, token in enumerate(ids))
        assert hypothesis.score >= expected - 1e-2  # other ways of writing the same text count too
        assert hypothesis.score < 0.0


@CASES
@torch.inference_mode()
def test_the_best_fill_is_no_worse_than_the_greedy_one(case: dict[str, Any]) -> None:
    greedy = Hypothesis(12, OPEN, tokenizer(), 0, embedded().denoiser.config.end_of_hole_token_id)
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    while not greedy.finished:
        row = (
            embedded().denoiser.denoise(context, CanvasTree([tuple(greedy.tokens)], {})).log_probs[tuple(greedy.tokens)]
        )
        token = int(row.argmax())
        greedy.accept(len(greedy.tokens), token, float(row[token]), float(row[token]))
    for wanted in (1, 2, 3):
        hypotheses, _ = sampled(case, wanted)
        assert max(hypothesis.score for hypothesis in hypotheses if hypothesis.finished) >= greedy.score - 1e-2


@CASES
@torch.inference_mode()
def test_of_long_holes_the_first_lane_is_greedy_and_others_part_at_the_first_token(case: dict[str, Any]) -> None:
    hypotheses, _ = sampled(case, wanted=3, short=False)
    assert all(hypothesis.finished for hypothesis in hypotheses)
    assert len({tuple(hypothesis.tokens[:1]) for hypothesis in hypotheses}) == len(hypotheses) == 3
    first, _ = sampled(case, wanted=1, short=False)
    assert len(first) == 1
    assert first[0].tokens in [hypothesis.tokens for hypothesis in hypotheses]


@torch.inference_mode()
def test_a_copy_saves_passes_and_changes_no_fill() -> None:
    case = gap_cases()[0]
    plain, passes = sampled(case)
    copied, fewer = sampled(case, copy=plain[0].spelled.decode())
    assert whole(copied, 1) == whole(plain, 1)
    assert fewer < passes
    misled, _ = sampled(case, copy="return None  # as nobody would go on here")
    assert whole(misled, 1) == whole(plain, 1)


@torch.inference_mode()
def test_the_empty_fill_is_scored_too() -> None:
    case, end = gap_cases()[1], embedded().denoiser.config.end_of_hole_token_id
    context = read(embedded(), case["prefix_ids"], case["suffix_ids"])
    hypothesis = Hypothesis(12, Boundary("", "", b" con", False), tokenizer(), 0, end)
    decode(embedded().denoiser, context, Beam(hypothesis, [end], Search(1, 1, True)), None, lambda: None)
    ids, expected = tokenizer().encode(" con"), 0.0
    for at, token in enumerate([*ids, end]):
        verified = embedded().denoiser.denoise(context, CanvasTree([tuple(ids[:at])], {})).log_probs
        expected += float(verified[tuple(ids[:at])][token])
    assert hypothesis.empty_score == pytest.approx(expected, abs=1e-2)
