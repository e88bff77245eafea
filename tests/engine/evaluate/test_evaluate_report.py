"""The report of an evaluation, the confidence model that is fitted to it, and a whole run on a tiny model."""

from __future__ import annotations

import json
import math
import random
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tiny_model import write_tiny_model

from lacuna.engine.api import Features, Gap
from lacuna.engine.evaluate.answers import Answer
from lacuna.engine.evaluate.bootstrap import paired
from lacuna.engine.evaluate.end_of_hole import EndOfHole
from lacuna.engine.evaluate.evaluation import Plan, evaluate
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind
from lacuna.engine.evaluate.gate_fit import fit_gate, least_threshold
from lacuna.engine.evaluate.gate_rows import GateRow, figures, gate_rows
from lacuna.engine.evaluate.methods import ENDING, Method
from lacuna.engine.evaluate.outcome import Outcome, outcome
from lacuna.engine.evaluate.report import Report
from lacuna.engine.evaluate.risk_coverage import plot, risk_coverage
from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.engine.families.gap.confidence import UNFITTED, Place, inputs

SURE = Features(-0.1, -0.2, -5.0, -20.0, 3, True)
UNSURE = Features(-3.0, -6.0, -40.0, -20.0, 12, False)


def rest_of_line(number: int, language: str = "python", kind: GapKind = GapKind.REST_OF_LINE) -> EvaluationGap:
    file = SourceFile(f"package{number % 3}", f"{number}.py", language, "")
    return EvaluationGap(file, kind, Gap("x = f(", "\n", language), "" if kind is GapKind.EMPTY else "a, b)")


def answered(gap: EvaluationGap, **texts: str) -> Outcome:
    """An outcome in which each method says a text; `canvas` surely. Tokens are characters."""

    def answer(method: Method, question: Gap) -> Answer:
        name = method.name.lower()
        return Answer(texts.get(name, ""), {"canvas": 4, "strict": 10}.get(name, 1), SURE if name == "canvas" else None)

    end = EndOfHole(True, 0, 2)
    return outcome(gap, answer, tuple(Method), ENDING, len, end)


def test_a_rest_of_a_line_is_asked_for_with_its_limit_and_without() -> None:
    gap = EvaluationGap(
        SourceFile("a", "a.py", "python", ""), GapKind.REST_OF_LINE, Gap("x = f(", "\n", max_lines=1), "a"
    )

    def answer(method: Method, question: Gap) -> Answer:
        return Answer("a" if question.max_lines == 1 else "b", 1)

    found = outcome(gap, answer, (Method.CANVAS,), ENDING[:1], len, None)
    assert found.exact(Method.CANVAS) and not found.uncut_exact(Method.CANVAS)


def test_who_asks_for_no_ends_answers_a_gap_once() -> None:
    asked = list[Gap]()

    def answer(method: Method, question: Gap) -> Answer:
        asked.append(question)
        return Answer("a", 1)

    gap = rest_of_line(0)
    found = outcome(gap, answer, (Method.CANVAS,), (), len, None)
    assert asked == [gap.gap] and not found.length_right
    summary = Report((found,), (Method.CANVAS,), UNFITTED, 0.4).summary()
    assert summary["eol_exact"] == 0.0 and summary["length_right"] is None and summary["eol_uncut_exact"] is None


def report(*outcomes: Outcome) -> Report:
    return Report(outcomes, tuple(Method), UNFITTED, 0.4)


RIGHT, WRONG, RUNS_ON = "a, b)", "c)", "a, b)\nprint(x"


def test_the_headline_is_rests_of_lines_in_python() -> None:
    found = report(
        answered(rest_of_line(0), canvas=RIGHT, strict=RIGHT, prefix=WRONG),
        answered(rest_of_line(1), canvas=RUNS_ON, strict=RIGHT, prefix=RIGHT),
        answered(rest_of_line(2), canvas=WRONG, strict=RIGHT, prefix=WRONG),
        answered(rest_of_line(3), canvas=WRONG, strict=WRONG, prefix=WRONG),
        answered(rest_of_line(4, "go"), canvas=RIGHT),
        answered(rest_of_line(5, kind=GapKind.SPAN), canvas=RIGHT),
        answered(rest_of_line(6, kind=GapKind.EMPTY), canvas=WRONG),
        answered(rest_of_line(7, kind=GapKind.EMPTY), canvas=" "),
    ).summary()
    expected = {
        "gaps": 8,
        "eol_gaps": 4,
        "eol_exact": 50.0,
        "eol_exact_ltr": 75.0,
        "ar_prefix_exact": 25.0,
        "eol_uncut_exact": 25.0,
        "length_right": 25.0,
        "forwards_ratio": 0.4,
        "shown_precision": 60.0,  # of the five rests of lines, all surely filled
        "shown_coverage": 100.0,
        "quiet": 50.0,
        "end_found": 100.0,
        "end_false": 0.0,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["gain_over_prefix"][0] == 25.0  # type: ignore[index]


def test_what_was_not_asked_is_null() -> None:
    summary = Report(
        (answered(rest_of_line(0, kind=GapKind.SPAN), canvas=RIGHT),), (Method.CANVAS,), UNFITTED, 0.4
    ).summary()
    assert summary["eol_exact"] is summary["ar_prefix_exact"] is summary["forwards_ratio"] is summary["quiet"] is None
    assert summary["gain_over_prefix"] is None


def test_the_last_line_is_json() -> None:
    written = StringIO()
    found = report(answered(rest_of_line(0), canvas=RIGHT), answered(rest_of_line(1), canvas=WRONG))
    found.show(Console(file=written, width=160))
    lines = written.getvalue().rstrip().split("\n")
    assert json.loads(lines[-1]) == found.summary()
    assert any("rest of line" in line and "50.0" in line for line in lines)


def test_the_interval_holds_the_difference_and_narrows_with_more_files() -> None:
    def interval(files: int) -> tuple[float, float]:
        chance = random.Random(0)
        outcomes = [
            answered(rest_of_line(at), canvas=RIGHT if chance.random() < 0.6 else WRONG, prefix=WRONG)
            for at in range(files)
        ]
        found = paired(outcomes, lambda o: o.exact(Method.CANVAS), lambda o: o.exact(Method.PREFIX))
        assert found.low < 0.6 < found.high
        return found.low, found.high

    few, many = interval(30), interval(300)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_gaps_of_one_file_count_as_one_draw() -> None:
    """The same 40 gaps, half right: of 40 files, and of two."""
    widths = []
    for files in (40, 2):
        outcomes = [answered(rest_of_line(at % files), canvas=RIGHT if at % 2 else WRONG) for at in range(40)]
        interval = paired(outcomes, lambda o: o.exact(Method.CANVAS), lambda o: o.exact(Method.COPY))
        widths.append(interval.high - interval.low)
    assert widths[1] > 2 * widths[0]


def test_only_gaps_that_are_filled_unasked_are_rows() -> None:
    kinds = (GapKind.REST_OF_LINE, GapKind.BLOCK, GapKind.EMPTY, GapKind.ARGUMENTS)
    rows = gate_rows(answered(rest_of_line(0, kind=kind), canvas=RIGHT) for kind in kinds)
    assert [row.kind for row in rows] == [GapKind.REST_OF_LINE, GapKind.EMPTY, GapKind.ARGUMENTS]
    assert [row.exact for row in rows] == [True, False, True]


def drawn_rows(count: int, weight: float) -> list[GateRow]:
    """Rows whose being right follows a logistic model of mean alone."""
    chance = random.Random(0)
    rows = []
    for number in range(count):
        mean = -3 * chance.random()
        exact = chance.random() < 1 / (1 + math.exp(-(2 + weight * mean)))
        kind = GapKind.EMPTY if not exact and chance.random() < 0.3 else GapKind.REST_OF_LINE
        features = Features(mean, -3 * chance.random(), -9 * chance.random(), -9.0, 4, True)
        rows.append(GateRow(features, Place.LINE_END, kind, f"package{number % 7}", exact, False))
    return rows


def test_the_fit_finds_what_made_fills_right() -> None:
    rows = drawn_rows(4000, 3.0)
    fit = fit_gate(rows, precision=0.8, quiet=0.8)
    assert fit.weights["mean"] == pytest.approx(3.0, abs=0.4)
    assert all(abs(fit.weights[name]) < 0.4 for name in fit.weights if name != "mean")
    assert fit.bias == pytest.approx(2.0, abs=0.6)
    assert set(fit.weights) == set(inputs(SURE, Place.LINE_END))
    assert fit.figures is not None
    assert min(fit.figures.precision, fit.figures.quiet) >= 0.8
    differences = [
        abs(fit.gate.confidence(row.features, row.place) - sure) for row, sure in zip(rows, fit.held_out, strict=True)
    ]
    assert max(differences) < 0.1
    json.dumps([fit.bias, fit.weights, fit.threshold])


def test_the_least_threshold_shows_the_most() -> None:
    rows = drawn_rows(400, 3.0)
    confidences = [math.exp(row.features.mean) for row in rows]
    threshold = least_threshold(rows, confidences, 0.6, 0.5)
    assert threshold is not None
    assert figures(rows, confidences, threshold).precision >= 0.6
    below = figures(rows, confidences, threshold - 0.01)
    assert below.precision < 0.6 or below.quiet < 0.5
    assert least_threshold(rows, confidences, 1.1, 0.5) is None


def test_a_gate_is_not_fitted_to_too_little() -> None:
    with pytest.raises(ValueError, match="take more gaps"):
        fit_gate([], 0.5, 0.5)
    with pytest.raises(ValueError, match="take more gaps"):
        fit_gate([row for row in drawn_rows(50, 3.0) if row.exact], 0.5, 0.5)


def test_risk_falls_to_where_only_the_surest_are_shown(tmp_path: Path) -> None:
    rows = drawn_rows(2000, 3.0)
    points = risk_coverage(rows, [row.features.mean for row in rows])
    assert points[len(points) // 10].risk < points[-1].risk / 2
    assert points[-1].coverage == 1.0
    picture = tmp_path / "curves" / "gate.png"
    plot({"fitted": points}, figures(rows, [1.0] * len(rows), 0.5), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_whole_evaluation_and_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    model = str(write_tiny_model(tmp_path / "tiny"))
    split = tmp_path / "test.jsonl"
    source = (Path(__file__).parents[3] / "engine" / "store" / "model_store.py").read_text(encoding="utf-8")
    fields = [{"package": f"p{at}", "path": "hub.py", "language": "python", "text": source} for at in range(2)]
    split.write_text("".join(json.dumps(line) + "\n" for line in fields), encoding="utf-8")
    plan = Plan(gaps=20, limit=12)
    first = evaluate(model, split, plan, progress=False)
    assert len(first.outcomes) == 12
    written = {path: path.read_bytes() for path in (tmp_path / "cache" / "evaluations").glob("*.jsonl")}
    assert len(written) == 2
    again = evaluate(model, split, plan, progress=False)
    assert again == first
    assert {path: path.read_bytes() for path in written} == written
    with pytest.raises(ValueError, match="no gaps of these"):
        evaluate(model, split, Plan(languages=("go",)), progress=False)
