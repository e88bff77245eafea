"""Diffs that go on, on a tiny random model: scores against a decoder that reads each sequence anew, and bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from tiny_model import write_tiny_fim_model

from lacuna.engine.api import Stopped
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.diff_api import ContinuesDiffs, DiffQuestion, Hunk, Unfinished
from lacuna.engine.families.gap import loading
from lacuna.engine.families.gap.edits.diff_prompt import HEAD_TOKENS, MOST_TOKENS, DiffPrompt
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.shared import diff_text

RUNTIME = Runtime("cpu", "float32", 1, "tests")
HUNK = Hunk(1, ("a = 1\n",), ("b = 2\n",), ("c = 2\n",))
LINES = ("import os\n", "for x in range(10):\n", "    print(b, x)\n", "    y = x * 2\n", "z = [b]\n")
QUESTION = DiffQuestion("a.py", (HUNK,), 7, ("\n",), LINES, related=(0, 1, 2, 3, 4), least_gain=-1e9)


@pytest.fixture(scope="module", params=[True, False], ids=["adapter", "base alone"])
def filler(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GapFiller:
    directory = write_tiny_fim_model(tmp_path_factory.mktemp("fim"), adapter=request.param)
    return loading.load(str(directory), RUNTIME)


def test_the_question_is_a_unified_diff() -> None:
    made = "".join(diff_text.made(QUESTION))
    assert made == (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n"
        "@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+c = 2\n"
        "@@ -7,6 +7,6 @@\n \n"
    )
    assert "".join(diff_text.unmade(QUESTION)) == made.replace("-b = 2\n+c", " c")


def test_a_window_of_another_document_stands_under_its_path() -> None:
    question = replace(QUESTION, elsewhere="b/c.py")
    for text in (diff_text.made(question), diff_text.unmade(question)):
        assert text[-5:] == [
            "diff --git a/b/c.py b/b/c.py\n", "--- a/b/c.py\n", "+++ b/b/c.py\n", "@@ -7,6 +7,6 @@\n", " \n"
        ]  # fmt: skip
        assert text[0] == "diff --git a/a.py b/a.py\n"


UNFINISHED = replace(
    QUESTION, lines=("    f(print(b)\n", "y = 1\n"), related=(), unfinished=Unfinished("    f(pri", ("    print(b)\n",))
)


def test_a_line_that_is_still_written_comes_in_the_place_of_what_stood_there() -> None:
    made, unmade = ("".join(text) for text in (diff_text.made(UNFINISHED), diff_text.unmade(UNFINISHED)))
    assert made.endswith("@@ -7,3 +7,3 @@\n \n-    print(b)\n")
    assert unmade.endswith(" c = 2\n@@ -7,3 +7,3 @@\n \n")
    new = replace(UNFINISHED, unfinished=Unfinished("    f(", ()))
    assert "".join(diff_text.made(new)).endswith("@@ -7,2 +7,3 @@\n \n"), "a new line"


@torch.inference_mode()
@pytest.mark.parametrize("typed", ["    f(pri", "    f(", "    f(print(", ""])
@pytest.mark.parametrize("hunks", [(HUNK,), ()])
def test_a_line_that_is_still_written_goes_on_as_it_was_typed(
    filler: GapFiller, typed: str, hunks: tuple[Hunk, ...]
) -> None:
    question = replace(UNFINISHED, hunks=hunks, unfinished=Unfinished(typed, ("    print(b)\n",)))
    found = filler.continue_diff(question, budget=60.0)
    assert len(found) == 1, "a random model writes something, and that line alone is asked for"
    [line] = found[0].lines
    assert (found[0].start, found[0].end) == (0, 1)
    assert line.startswith(typed) and line.count("\n") == 1 and line != question.lines[0]
    gains = []
    for head, sign in ((diff_text.made(question), "+"), (diff_text.unmade(question), " ")):
        scores = (log_probability(filler, head, [f"{sign}{text}", " y = 1\n"]) for text in (line, question.lines[0]))
        gains.append(next(scores) - next(scores))
    assert found[0].gain == pytest.approx(gains[0], abs=2e-3)
    assert found[0].lift == pytest.approx(gains[0] - gains[1], abs=2e-3)
    assert filler.continue_diff(replace(question, least_gain=found[0].gain + 1.0), budget=60.0) == ()


@torch.inference_mode()
def test_the_line_with_all_closed_is_scored_too(filler: GapFiller) -> None:
    unfinished = Unfinished("    f(pri", ("    print(b)\n",))
    [written] = filler.continue_diff(replace(UNFINISHED, unfinished=unfinished), budget=60.0)
    closed = "    f(print(b))\n"
    both = filler.continue_diff(replace(UNFINISHED, unfinished=replace(unfinished, closed=closed)), budget=60.0)
    assert len(both) == 2 and written in both
    [one] = [one for one in both if one != written]
    heads = diff_text.made(UNFINISHED), diff_text.unmade(UNFINISHED)
    gains = [
        log_probability(filler, head, [f"{sign}{closed}", " y = 1\n"])
        - log_probability(filler, head, [f"{sign}{UNFINISHED.lines[0]}", " y = 1\n"])
        for head, sign in zip(heads, "+ ", strict=True)
    ]
    assert one.lines == (closed,) and one.gain == pytest.approx(gains[0], abs=2e-3)
    assert one.lift == pytest.approx(gains[0] - gains[1], abs=2e-3)
    as_it_is = replace(unfinished, closed=written.lines[0])
    assert filler.continue_diff(replace(UNFINISHED, unfinished=as_it_is), budget=60.0) == (written,), "once"


def log_probability(filler: GapFiller, before: list[str], lines: list[str]) -> float:
    """Of lines of a diff behind others, read in one pass without a cache that holds anything."""
    encode, base = filler.tokenizer.encode, filler.denoiser.base
    head = [token for line in before for token in encode(line)]
    ids = [*head, *(token for line in lines for token in encode(line))]
    mask = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    hidden = base.forward(base.embed(ids), torch.arange(len(ids)), base.cache(len(ids)), 0, 0, mask)
    rows = base.log_probabilities(hidden)[len(head) - 1 : -1]
    markers = filler.denoiser.config.markers
    assert markers is not None
    assert not {*markers.all} & {*ids}, "a marker's row would be another one's"
    return float(rows[torch.arange(len(rows)), torch.tensor(ids[len(head) :])].sum())


@torch.inference_mode()
def test_gain_and_lift_are_the_bases_own_log_odds(filler: GapFiller) -> None:
    found = filler.continue_diff(QUESTION, budget=60.0)
    assert found, "a random model writes something"
    for one in found:
        before = [f" {line}" for line in QUESTION.lines[: one.start]]
        behind = f" {QUESTION.lines[one.end]}" if one.end < len(QUESTION.lines) else "@@ "
        same = [*(f" {line}" for line in QUESTION.lines[one.start : one.end]), behind]
        gone = [f"-{line}" for line in QUESTION.lines[one.start : one.end]]
        changed = [*gone, *(f"+{line}" for line in one.lines), behind]
        gains = []
        for head in (diff_text.made(QUESTION), diff_text.unmade(QUESTION)):
            likely, now = (log_probability(filler, [*head, *before], lines) for lines in (changed, same))
            gains.append(likely - now)
        assert one.gain == pytest.approx(gains[0], abs=2e-3)
        assert one.lift == pytest.approx(gains[0] - gains[1], abs=2e-3)
    preferences = [one.gain + one.lift / 2 for one in found]
    assert preferences == sorted(preferences, reverse=True)


def test_the_same_question_has_the_same_answer(filler: GapFiller) -> None:
    assert isinstance(filler, ContinuesDiffs) and filler.knows_diffs
    first = filler.continue_diff(QUESTION, budget=60.0)
    filler.continue_diff(replace(QUESTION, lines=("x\n",), related=(0,)), budget=60.0)
    again = filler.continue_diff(QUESTION, budget=60.0)
    assert [(one.start, one.end, one.lines) for one in again] == [(one.start, one.end, one.lines) for one in first]
    assert [one.gain for one in again] == pytest.approx([one.gain for one in first], abs=1e-3)
    assert all(line.endswith("\n") for one in first for line in one.lines)
    assert all(0 <= one.start <= one.end <= len(QUESTION.lines) for one in first)


def test_it_ends_where_a_change_is_preferred_enough_and_leaves_out_what_gains_too_little(filler: GapFiller) -> None:
    all_of_them = filler.continue_diff(QUESTION, budget=60.0)
    assert len(filler.continue_diff(replace(QUESTION, enough=-1e9), budget=60.0)) == 1 <= len(all_of_them)
    best = max(one.gain for one in all_of_them)
    assert [one.gain for one in filler.continue_diff(replace(QUESTION, least_gain=best - 1e-3), budget=60.0)] == [
        pytest.approx(best, abs=1e-3)
    ]


def test_the_oldest_hunks_are_left_out_where_all_do_not_fit(filler: GapFiller) -> None:
    small = [replace(HUNK, added=(f"x = {number}\n",)) for number in range(40)]
    prompt = DiffPrompt.of(replace(QUESTION, hunks=tuple(small)), filler.tokenizer)
    assert prompt is not None
    assert max(len(prompt.made), len(prompt.unmade)) <= HEAD_TOKENS
    told = filler.tokenizer.decode(prompt.made).decode()
    assert "+x = 39\n" in told and "+x = 0\n" not in told
    assert DiffPrompt.of(QUESTION, filler.tokenizer) is not None


def test_what_is_too_long_is_not_asked(filler: GapFiller) -> None:
    huge = replace(HUNK, added=tuple(f"x_{number} = {number}\n" for number in range(400)))
    assert filler.continue_diff(replace(QUESTION, hunks=(huge,)), budget=60.0) == ()
    assert filler.continue_diff(replace(QUESTION, hunks=()), budget=60.0) == ()
    data = ("x = '" + "0123456789" * 30 + "'\n", "y = 1\n")
    assert filler.continue_diff(replace(QUESTION, lines=data), budget=60.0) == ()


def test_what_stands_behind_lines_that_were_cut_off_is_told(filler: GapFiller) -> None:
    long = tuple(f"value_{number} = compute({number})\n" for number in range(100))
    prompt = DiffPrompt.of(replace(QUESTION, lines=long), filler.tokenizer)
    assert prompt is not None
    count = len(prompt.lines)
    assert sum(map(len, prompt.lines)) <= MOST_TOKENS and prompt.text == long[:count]
    assert filler.tokenizer.decode(prompt.behind(count)).decode() == f" {long[count]}"
    assert f" -7,{count + 1} +7,{count + 1} " in filler.tokenizer.decode(prompt.made).decode()


def test_lines_beyond_the_window_are_not_asked_for(filler: GapFiller) -> None:
    long = tuple(f"value_{number} = compute({number})\n" for number in range(100))
    found = filler.continue_diff(replace(QUESTION, lines=long, related=tuple(range(100))), budget=60.0)
    assert all(one.end < 50 for one in found)


def test_it_stops_at_once_and_without_a_budget_finds_nothing(filler: GapFiller) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        filler.continue_diff(QUESTION, stop=stop)
    assert filler.continue_diff(QUESTION, budget=0.0) == ()
    assert filler.continue_diff(QUESTION, budget=60.0), "what was stopped does no harm"


def test_smollm2_was_not_taught_diffs(tmp_path: Path) -> None:
    from tiny_model import write_tiny_model

    assert not loading.load(str(write_tiny_model(tmp_path)), RUNTIME).knows_diffs
