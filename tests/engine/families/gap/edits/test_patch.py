"""Several holes in one canvas: with both families on tiny random models, and what the embedded model makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import tiny_diffusion_gemma
from embedded import embedded
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)
from tiny_model import write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Filler, Frame, Hole, Passage, Patch, RewriteRequest, Rewrites, Stopped
from lacuna.engine.device.runtime import Runtime

RUNTIME = Runtime("cpu", "float32", 1, "tests")
PATCH = Patch("a = ", (Hole("b"), " + ", Hole("c"), "\n"), "d = 1\n", length_slack=1)


@pytest.fixture(scope="module", params=["gap", "diffusion_gemma"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filler:
    directory: Path = tmp_path_factory.mktemp(request.param)
    write = write_tiny_model if request.param == "gap" else tiny_diffusion_gemma.write
    return load.load(str(write(directory)), RUNTIME)


def test_what_is_pinned_is_the_text_around_the_holes() -> None:
    patch = Patch("a", ("b", Hole("c"), "d", "e", Hole(""), Hole("f"), "g"), "h")
    assert patch.texts == ("ab", "de", "", "gh")
    assert [hole.text for hole in patch.holes] == ["c", "", "f"]


def test_a_patch_that_is_none_is_refused() -> None:
    with pytest.raises(AssertionError, match="has a hole"):
        Patch("a", ("b",), "c")
    with pytest.raises(AssertionError, match="a text for every hole"):
        Patch("a", (Hole("b"),), "c", candidates=(("d", "e"),))


def test_revisions_are_ranked_against_the_text_as_it_is(filled: Filler) -> None:
    patch = replace(PATCH, candidates=(("x", "y"), ("b", "c")))
    revisions = filled.patch(patch).revisions
    texts = [revision.texts for revision in revisions]
    assert len(texts) == len(set(texts)) > 1
    assert ("b", "c") not in texts, "the text as it is, is no revision"
    scores = [revision.score for revision in revisions]
    assert scores == sorted(scores, reverse=True)
    assert [revision.texts for revision in revisions if revision.from_candidate] == [("x", "y")]
    present = {round(revision.score - revision.gain, 3) for revision in revisions}
    assert len(present) == 1


def test_the_same_patch_has_the_same_revisions_whatever_was_read_before(filled: Filler) -> None:
    first = filled.patch(PATCH).revisions
    filled.patch(Patch("something = 1\nelse_ = 2\n", (Hole("x"),), "\n", snippets=("def f():\n    pass\n",)))
    again = filled.patch(PATCH).revisions
    assert [revision.texts for revision in again] == [revision.texts for revision in first]
    assert [revision.gain for revision in again] == pytest.approx([revision.gain for revision in first], abs=1e-3)


def test_what_the_edit_speaks_for_is_lifted(filled: Filler) -> None:
    patch = replace(PATCH, candidates=(("x", "y"),))
    assert {revision.lift for revision in filled.patch(patch).revisions} == {0.0}, "no edit is known"
    as_before = filled.patch(replace(patch, old_prefix=patch.prefix)).revisions
    assert [revision.lift for revision in as_before] == pytest.approx([0.0] * len(as_before), abs=1e-3)
    edited = filled.patch(replace(patch, old_prefix="b = ")).revisions
    assert [revision.gain for revision in edited] == pytest.approx([revision.gain for revision in as_before], abs=1e-3)
    before = {found.texts: found.gain for found in filled.patch(replace(patch, prefix="b = ")).revisions}
    drafted = next(revision for revision in edited if revision.from_candidate)
    assert drafted.lift == pytest.approx(drafted.gain - before["x", "y"], abs=1e-3)
    assert drafted.lift


def test_frames_show_the_pins_from_the_start(filled: Filler) -> None:
    frames: list[Frame] = []
    patched = filled.patch(PATCH, on_frame=frames.append)
    assert len(frames) == patched.steps > 0
    assert patched.forwards > patched.steps
    for frame in frames:
        text = "".join(text or "~" for text, _ in frame.cells)
        assert " +" in text, "pinned between the holes"


def test_leading_and_trailing_pins_are_prefix_and_suffix(filled: Filler) -> None:
    around = Patch("", ("a = ", Hole("b"), " + ", Hole("c"), "\nd = 1\n"), "", length_slack=1)
    assert filled.patch(around).revisions == filled.patch(PATCH).revisions


def test_what_no_canvas_holds_is_drafted_only(filled: Filler) -> None:
    between = "".join(f"value_{number} = {number}\n" for number in range(6))
    patch = Patch("a = ", (Hole("b"), f"\n{between}c = ", Hole("b")), "\n", candidates=(("x", "x"),))
    patched = filled.patch(patch)
    assert [revision.texts for revision in patched.revisions] == [("x", "x")]
    assert patched.steps == 0


def test_holes_may_be_empty_and_texts_odd(filled: Filler) -> None:
    for patch in (
        Patch("", (Hole(""),), ""),
        Patch("f(", (Hole(""),), ")"),
        Patch("\n", (Hole("é😀"), "😀", Hole("\x00")), "\n"),
        Patch(" " * 90, (Hole("x"), " " * 3, Hole("y")), ""),
        Patch("x = y", (Hole("z"), Hole("w")), "v"),
    ):
        patched = filled.patch(patch)
        assert all(len(revision.texts) == len(patch.holes) for revision in patched.revisions)


def test_the_stop_flag_is_seen(filled: Filler) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        filled.patch(PATCH, stop=stop)
    midway = Event()
    with pytest.raises(Stopped):
        filled.patch(PATCH, stop=midway, on_frame=lambda frame: midway.set())
    assert filled.patch(PATCH).revisions, "and the next patch is worked on"


REPETITIVE = Patch(
    "else " * 60,
    (Hole("else"), " ; ", Hole("els"), " else " * 4),
    "; else" * 40,
    candidates=tuple(("else", f"{n}") for n in range(40)),
)


@pytest.mark.parametrize("patch", [PATCH, replace(PATCH, old_prefix="b = "), REPETITIVE])
def test_a_budget_bounds_a_patch_and_changes_nothing_where_it_is_enough(filled: Filler, patch: Patch) -> None:
    whole = filled.patch(patch, budget=1000.0)
    nothing = filled.patch(patch, budget=0.0)
    assert (nothing.revisions, nothing.steps, nothing.forwards) == ((), 0, 0)
    assert filled.patch(patch, budget=1000.0).revisions == whole.revisions, "and what was read is as it was"
    for budget in (0.01, 0.05):
        some = {revision.texts: revision for revision in filled.patch(patch, budget=budget).revisions}
        known = {revision.texts: revision for revision in whole.revisions}
        assert some.keys() <= known.keys()
        assert all(found.gain == pytest.approx(known[texts].gain, abs=1e-3) for texts, found in some.items())


def test_a_budget_bounds_what_is_read_of_a_passage(filled: Filler) -> None:
    passage = Passage("else c;" * 20, "a = 1\n" * 80, "b = 1\n" * 80, threshold=-1000.0)
    whole = filled.surprises(passage, budget=1000.0)
    assert whole
    assert filled.surprises(passage, budget=0.0) == ()
    assert filled.surprises(passage, budget=1000.0) == whole


def test_only_a_model_that_follows_instructions_rewrites(filled: Filler) -> None:
    request = RewriteRequest("Rename x to y", "x = 1\n", "import z\n", "print(x)\n", "python")
    if not isinstance(filled, Rewrites):
        return
    states: list[str] = []
    assert filled.rewrite(request, on_text=states.append) == states[-1]
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        filled.rewrite(request, stop=stop)


PATIENCE = 60.0  # seconds, for a machine that does much else
RENAMED = "import json\n\n\ndef load_config(file_name):\n    with open("
AFTER = "\n\n\ndef main():\n    load_config('config.json')\n"


@pytest.mark.weights
def test_two_names_that_no_longer_fit_are_renamed_together() -> None:
    pieces = (Hole("path"), ") as handle:\n        return json.load(", Hole("f"), ")")
    revisions = (
        embedded()
        .patch(Patch(RENAMED, pieces, AFTER, "python", candidates=(("file_name", "handle"),)), budget=PATIENCE)
        .revisions
    )
    assert revisions[0].texts == ("file_name", "handle")
    assert revisions[0].gain > 2.0
    assert any(revision.texts[1] == "handle" and not revision.from_candidate for revision in revisions), (
        "noise finds it too"
    )


@pytest.mark.weights
def test_noise_alone_finds_a_longer_name() -> None:
    patch = Patch(RENAMED, (Hole("path"),), ") as f:\n" + AFTER, "python")
    revisions = embedded().patch(patch, budget=PATIENCE).revisions
    assert revisions[0].texts == ("file_name",)
    assert not revisions[0].from_candidate


@pytest.mark.weights
def test_what_fits_is_preferred_to_what_does_not() -> None:
    prefix = RENAMED.replace("file_name", "path")
    patch = Patch(prefix, (Hole("path"),), ") as f:\n" + AFTER, "python", candidates=(("file_name",),))
    assert all(revision.gain < 2.0 for revision in embedded().patch(patch, budget=PATIENCE).revisions)
