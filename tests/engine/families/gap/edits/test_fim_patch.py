"""Patches in the FIM layout, on tiny random models with an adapter and without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from tiny_model import write_tiny_fim_model

from lacuna.engine import load
from lacuna.engine.api import Filler, Hole, Passage, Patch, Stopped
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS

RUNTIME = Runtime("cpu", "float32", 1, "tests")
PATCH = Patch(
    "a = ", (Hole("b"), " + ", Hole("c"), "\n"), "d = 1\n", length_slack=1, candidates=(("x", "y"), ("b", "c"))
)


@pytest.fixture(scope="module", params=[True, False], ids=["adapter", "base alone"])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_fim_model(tmp_path_factory.mktemp("fim"), adapter=request.param)


@pytest.fixture(scope="module")
def filled(directory: Path) -> Filler:
    return load.load(str(directory), RUNTIME)


def test_revisions_are_ranked_against_the_text_as_it_is(filled: Filler) -> None:
    revisions = filled.patch(PATCH).revisions
    assert [revision.texts for revision in revisions if revision.from_candidate] == [("x", "y")]
    assert ("b", "c") not in [revision.texts for revision in revisions], "the text as it is, is no revision"
    assert len({round(revision.score - revision.gain, 3) for revision in revisions}) == 1


@torch.inference_mode()
def test_a_score_is_the_decoders_own_of_the_stretch_and_its_end(directory: Path) -> None:
    """Read anew, token by token, in a context without drafts."""
    gap = loading.load(str(directory), RUNTIME)
    (revision,) = [found for found in gap.patch(PATCH).revisions if found.from_candidate]
    denoiser, markers = gap.denoiser, gap.denoiser.config.markers
    assert markers is not None
    encode = gap.tokenizer.encode
    prompt = markers.prompt([], encode("\nd = 1\n"), encode("a ="))
    whole = [*encode(" x + y"), markers.ends[0]]
    assert revision.score == pytest.approx(_log_probability(denoiser, prompt, whole), abs=1e-3)


def _log_probability(denoiser: GapDenoiser, prompt: list[int], tokens: list[int]) -> float:
    score = 0.0
    for at, token in enumerate(tokens):
        context = denoiser.context()
        context.prefill_prefix([*prompt, *tokens[:at]], lambda: None)
        row = context.next_log_probabilities[0]
        ends = list(denoiser.config.markers.ends) if denoiser.config.markers else []
        score += float(row[ends].logsumexp(0) if token in ends else row[token])
    return score


def test_the_same_patch_has_the_same_revisions_whatever_was_read_before(filled: Filler) -> None:
    first = filled.patch(PATCH).revisions
    filled.patch(Patch("something = 1\nelse_ = 2\n", (Hole("x"),), "\n", snippets=("def f():\n    pass\n",)))
    again = filled.patch(PATCH).revisions
    assert [(found.texts, round(found.score, 3)) for found in again] == [
        (found.texts, round(found.score, 3)) for found in first
    ]


def test_an_edit_lifts_what_it_speaks_for(filled: Filler) -> None:
    known = replace(PATCH, old_prefix="z = ")
    assert any(revision.lift != revision.gain for revision in filled.patch(known).revisions)
    assert not filled.surprises(Passage("y = x\n", old_prefix="x = 1\n", new_prefix="x = 1\n"))
    renamed = Passage("print(sum)\n", old_prefix="sum = 1\n" * 3, new_prefix="total = 1\n" * 3, threshold=0.0)
    assert all(renamed.text[drop.start : drop.end] for drop in filled.surprises(renamed))


def test_the_stop_flag_is_seen(filled: Filler) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        filled.patch(PATCH, stop=stop)
    assert filled.patch(PATCH).revisions, "and the next patch is worked on"


def test_nothing_is_written_and_a_budget_is_kept(filled: Filler) -> None:
    patched = filled.patch(PATCH)
    assert patched.steps == 0 < patched.forwards
    assert {revision.from_candidate for revision in patched.revisions} == {True}
    assert not filled.patch(PATCH, budget=0.0).revisions


def test_holes_may_be_empty_and_texts_odd_or_long(filled: Filler) -> None:
    filled.patch(Patch("", (Hole(""),), ""))
    filled.patch(Patch("\n\n", (Hole("\u00e9\U0001f600"), "\t", Hole("")), "<|fim_middle|>"))
    line = "value = compute(value, 1)\n"
    long = Patch(line * PREFIX_TOKENS, (Hole("a"), line * 40, Hole("b")), line * PREFIX_TOKENS)
    assert filled.patch(replace(long, candidates=(("x", "y"),))).revisions == ()
