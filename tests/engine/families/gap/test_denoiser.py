"""The gap family on real weights: the preview's own figures, and cached against uncached passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from embedded import canvas_of, embedded, preview, preview_cases, read, tokenizer

from lacuna.engine.api import Gap
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.tree_attention import CanvasTree, DraftTree
from lacuna.engine.families.gap.session import Session
from lacuna.engine.text.token_healing import Boundary

pytestmark = pytest.mark.weights
CASES = pytest.mark.parametrize("case", preview_cases(), ids=lambda case: case["prefix"][:12])
OPEN = Boundary("", "", b"", False)  # the preview's cases have no boundary


@CASES
@torch.inference_mode()
def test_first_pass_is_the_previews(case: dict[str, Any]) -> None:
    filled = preview()
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    logits = filled.denoiser.denoise_between(context, [canvas_of({})])[0]
    assert logits.argmax(-1).tolist() == case["first_pass_argmax"]
    # Log probabilities are logits less a constant, so differences between the five best must agree.
    best = logits[0, case["first_pass_top_at_0"]]
    expected = torch.tensor(case["first_pass_logits_at_0"])
    torch.testing.assert_close(best - best[0], expected - expected[0], atol=5e-3, rtol=0)


@CASES
@torch.inference_mode()
def test_strict_fill_is_the_previews(case: dict[str, Any]) -> None:
    text, forwards = fill(case, threshold=2.0)
    assert (text, forwards) == (case["strict"], case["forwards_strict"])


@CASES
@torch.inference_mode()
def test_parallel_fill_is_the_previews(case: dict[str, Any]) -> None:
    text, forwards = fill(case, threshold=0.9)
    assert (text, forwards) == (case["parallel_090"], case["forwards_parallel"])


def fill(case: dict[str, Any], threshold: float) -> tuple[str, int]:
    """The preview's own decoding: the leftmost takes its argmax, others theirs above the threshold; the end only
    leftmost."""
    filled = preview()
    end = filled.denoiser.config.end_of_hole_token_id
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    canvas, forwards = canvas_of({}), 0
    while (leftmost := canvas.leftmost()) < len(canvas):
        probabilities, tokens = filled.denoiser.denoise_between(context, [canvas])[0].exp().max(-1)
        forwards += 1
        for at in range(leftmost, len(canvas)):
            sure = probabilities[at - leftmost] >= threshold and int(tokens[at - leftmost]) != end
            if canvas.token(at) is None and (at == leftmost or sure):
                canvas.accept(at, int(tokens[at - leftmost]))
                if canvas.token(at) == end:
                    return text_of(canvas.decided()[:-1]), forwards
    return text_of(canvas.decided()), forwards


def text_of(tokens: list[int]) -> str:
    hypothesis = Hypothesis(len(tokens) or 1, OPEN, tokenizer(), 0, -1)
    for at, token in enumerate(tokens):
        hypothesis.accept(at, token, 0.0, 0.0)
    return hypothesis.spelled.decode()


@CASES
@torch.inference_mode()
def test_cached_passes_equal_uncached(case: dict[str, Any]) -> None:
    """Typing, deleting and typing again leaves the context of a single read."""
    filled, prefix, suffix = embedded(), case["prefix_ids"], case["suffix_ids"]
    fresh = read(filled, prefix, suffix)
    worn = read(filled, [*prefix[:1], 11, 12, 13], suffix)
    for ids in (prefix[:-1], [*prefix, 99], prefix[:1], prefix):
        worn.prefill_prefix(ids, lambda: None)
    worn.place_suffix(filled.denoiser.suffixes.prefill(suffix), filled.denoiser.config.suffix_distance)
    canvas = canvas_of({0: 262, 3: 30})
    (a,), (b,) = (filled.denoiser.denoise_between(context, [canvas]) for context in (fresh, worn))
    torch.testing.assert_close(a, b, atol=1e-3, rtol=0)
    torch.testing.assert_close(fresh.next_log_probabilities, worn.next_log_probabilities, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_rerotation_equals_a_read_at_the_place() -> None:
    """Keys read at positions 1.. and rotated on are those of a read that begins at the later position."""
    filled, ids = embedded(), preview_cases()[0]["suffix_ids"]
    base = filled.denoiser.base
    read_there = base.cache(len(ids) + 1)
    count = len(ids) + 1
    mask = torch.ones(count, count, dtype=torch.bool).tril()
    positions = torch.arange(count) + 300
    base.forward(base.embed([0, *ids]), positions, read_there, 0, 0, mask, filled.denoiser.suffix_layers)
    context = filled.denoiser.context()
    context.ids = [0] * (300 - 64 + 2)  # so that the first suffix token stands at 301
    context.place_suffix(filled.denoiser.suffixes.prefill(ids), 64)
    placed = context.cache.keys[:, :, context.ORIGIN - len(ids) : context.ORIGIN]
    torch.testing.assert_close(placed, read_there.keys[:, :, 1:], atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_lanes_in_one_pass_equal_lanes_alone() -> None:
    filled, case = embedded(), preview_cases()[1]
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    canvases = [canvas_of({}), canvas_of({0: 198, 1: 472}), canvas_of({5: 30})]
    together = filled.denoiser.denoise_between(context, canvases)
    for canvas, rows in zip(canvases, together, strict=True):
        torch.testing.assert_close(filled.denoiser.denoise_between(context, [canvas])[0], rows, atol=1e-3, rtol=0)
    apart = {(): 3, (262, 30): 5, (262,): 2}
    verified = filled.denoiser.denoise(context, CanvasTree([(262, 30), (198, 472)], apart))
    for beginning, length in apart.items():
        alone = filled.denoiser.denoise(context, CanvasTree([beginning], {beginning: length}))
        torch.testing.assert_close(verified.proposals[beginning], alone.proposals[beginning], atol=1e-3, rtol=0)
        torch.testing.assert_close(verified.log_probs[beginning], alone.log_probs[beginning], atol=1e-3, rtol=0)
    drafts = [[262, 30], [], [198, 472, 12], [262, 472, 12], [262, 30, 9]]
    for draft, rows in zip(drafts, filled.denoiser.score(context, DraftTree(drafts)), strict=True):
        (alone,) = filled.denoiser.score(context, DraftTree([draft]))
        torch.testing.assert_close(alone, rows, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_an_accepted_draft_is_not_read_again() -> None:
    """The reranker's keys and values are the prefix' continuation."""
    filled, case = embedded(), preview_cases()[0]
    context = read(filled, case["prefix_ids"], case["suffix_ids"])
    draft = [7221, 30, 1440, 24]
    tree = DraftTree([[7221, 6], draft])  # the first token is read once for both
    filled.denoiser.score(context, tree)
    assert tree.paths[1] == [0, 2, 3, 4]
    context.keep_draft_kv(draft, [context.tail + row for row in tree.paths[1]])
    assert context.prefill_prefix([*case["prefix_ids"], *draft, 9], lambda: None) == 1
    fresh = read(filled, [*case["prefix_ids"], *draft, 9], case["suffix_ids"])
    torch.testing.assert_close(context.next_log_probabilities, fresh.next_log_probabilities, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@torch.inference_mode()
def test_the_number_of_threads_changes_nothing(dtype: str) -> None:
    """Threads follow what other programs leave free (engine/device/cpu_threads.py), and the same gap must give the same
    fill."""
    filled, case, threads = embedded(dtype), preview_cases()[1], torch.get_num_threads()
    rows = []
    for count in (1, 2):
        torch.set_num_threads(count)
        context = read(filled, case["prefix_ids"], case["suffix_ids"])
        rows.append(filled.denoiser.denoise_between(context, [canvas_of({0: 198})])[0])
    torch.set_num_threads(threads)
    assert torch.equal(*rows)


def test_bfloat16_fills_as_float32_nearly_always() -> None:
    same = 0
    for case in preview_cases():
        fills = [Session(f.denoiser, f.tokenizer) for f in (embedded("float32"), embedded("bfloat16"))]
        same += len({session.infill(gap_of(case), 1, lambda: None)[0].text for session in fills}) == 1
    assert same >= len(preview_cases()) - 1


def gap_of(case: dict[str, Any]) -> Gap:
    return Gap(case["prefix"], case["suffix"], "python")
