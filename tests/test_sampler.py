"""The sampler on real weights: what it decides, and how many passes that takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import canvas_of, embedded, preview_cases, read, tokenizer

from engine import sampler
from engine.draft_tree import DraftTree
from engine.judge import Judge
from engine.lane import Lane
from engine.sampler import PRODUCT_SHARPNESS, SamplerConfig, denoise
from engine.seams import Seam

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", preview_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Seam("", "", b"", False)  # the cases have no seam
ONE_A_STEP = SamplerConfig(threshold=2.0)


def sampled(prefix: list[int], suffix: list[int], config: SamplerConfig, length: int = 12) -> tuple[list[int], int]:
    """The tokens of a fill, and the passes it took."""
    filled, passes = embedded(), 0
    context = read(filled, prefix, suffix)
    lane = Lane(length, OPEN, tokenizer(), 0, filled.denoiser.config.end_of_hole_token_id)

    def count() -> None:
        nonlocal passes
        passes += 1

    judge = Judge(filled.denoiser, context, suffix, tokenizer())
    for _ in denoise(filled.denoiser, context, [lane], config, judge, count):
        pass
    return lane.tokens, passes


@CASES
@torch.inference_mode()
def test_one_token_a_step_is_the_products_best_each_time(case: dict[str, Any]) -> None:
    """Against the formula, computed anew for every token."""
    filled, decided = embedded(), list[int]()
    end = filled.denoiser.config.end_of_hole_token_id
    while len(decided) < 12:
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        base = filled.denoiser.score(context, DraftTree([decided]))[0][len(decided)].clone()
        base[end] = base[case["suffix_ids"][0]]
        canvas = filled.denoiser.denoise(context, [canvas_of(dict(enumerate(decided)), 12)])[0][0]
        token = int((PRODUCT_SHARPNESS * (canvas + base)).argmax())
        if token == end:
            break
        decided.append(token)
    tokens, passes = sampled(case["prefix_ids"], case["suffix_ids"], ONE_A_STEP)
    assert tokens == decided
    # A canvas pass and a base pass a token; the last decision, the end or the twelfth token, needs no base pass.
    assert passes == 2 * (len(decided) + (len(decided) < 12)) - 1


@torch.inference_mode()
def test_forks_save_passes_and_change_no_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """With forks fills are the same in fewer passes."""

    def fills() -> tuple[list[list[int]], int]:
        each = [sampled(case["prefix_ids"], case["suffix_ids"], SamplerConfig()) for case in preview_cases()]
        return [tokens for tokens, _ in each], sum(passes for _, passes in each)

    tokens, passes = fills()
    monkeypatch.setattr(sampler, "FORKS", 0)
    tokens_without, passes_without = fills()
    assert tokens == tokens_without
    assert passes < passes_without


@torch.inference_mode()
def test_taking_more_at_once_saves_passes() -> None:
    def passes_a_token(config: SamplerConfig) -> float:
        fills = [sampled(case["prefix_ids"], case["suffix_ids"], config) for case in preview_cases()]
        return sum(passes for _, passes in fills) / sum(len(tokens) + 1 for tokens, _ in fills)

    assert passes_a_token(SamplerConfig()) < 0.8 * passes_a_token(ONE_A_STEP)
