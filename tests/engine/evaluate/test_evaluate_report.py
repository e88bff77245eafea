"""The report of an evaluation, and the confidence model that is fitted to its outcomes."""

from __future__ import annotations

import json
import math
import random
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lacuna.engine.api import Features
from lacuna.engine.evaluate import gate_file
from lacuna.engine.evaluate.bootstrap import interval
from lacuna.engine.evaluate.figures import exact, figures_of
from lacuna.engine.evaluate.gaps import EvaluationGap, GapKind
from lacuna.engine.evaluate.gate_fit import fit_gate, least_threshold
from lacuna.engine.evaluate.gate_rows import GateRow, figures, gate_rows
from lacuna.engine.evaluate.outcome import Answer, Judged, Outcome, Shown
from lacuna.engine.evaluate.report import Report
from lacuna.engine.evaluate.risk_coverage import plot, risk_coverage
from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.engine.families.gap.confidence import ConfidenceModel, Place, inputs

SURE = Features(-0.1, -0.2, -5.0, -20.0, 3, True)
UNSURE = "not sure enough"

BEFORE, TRUTH, AFTER = "x = f(", "alpha, b", ")\nprint(x)\n"
RIGHT, BEGINNING, WRONG = Shown("alpha, b"), Shown("alpha"), Shown("c")


def gap(number: int = 0, language: str = "python", kind: GapKind = GapKind.REST_OF_LINE) -> EvaluationGap:
    """In a file of its own, of one of three packages."""
    file = SourceFile(f"package{number % 3}", f"{number}.py", language, BEFORE + TRUTH + AFTER)
    left = len(BEFORE)
    return EvaluationGap(file, kind, left, left if kind is GapKind.EMPTY else left + len(TRUTH))


def answer(*shown: Shown) -> Answer:
    return Answer(shown, "" if shown else UNSURE, 3)


def outcome(
    at: EvaluationGap, unasked: Answer | None = None, asked: Answer | None = None, whole: Shown | None = None
) -> Outcome:
    judged = Judged(SURE, Place.LINE_END, whole)
    return Outcome(at, unasked or answer(), asked or answer(), judged)


@pytest.mark.parametrize(
    ("shown", "is_exact", "is_true", "saved"),
    [
        (Shown("alpha, b"), True, True, 8),
        (Shown("alpha, b)", replaced=1), True, True, 8),
        (Shown("alpha, b)"), False, False, 0),  # the bracket would stand there twice
        (Shown("alpha"), False, True, 5),
        (Shown("alpha, "), False, True, 7),
        (Shown("alp"), False, False, 0),  # half a name is no help
        (Shown("alpha, c"), False, False, 0),
        (Shown(""), False, False, 0),
    ],
)
def test_a_suggestion_is_judged_by_what_the_document_becomes(
    shown: Shown, is_exact: bool, is_true: bool, saved: int
) -> None:
    found = outcome(gap())
    assert (found.is_exact(shown), found.is_true(shown), found.saved(shown)) == (is_exact, is_true, saved)
    document = gap().document
    becomes = document[: gap().left] + shown.text + document[gap().left + shown.replaced :]
    assert (becomes == gap().file.text) == is_exact


def test_what_was_taken_out_is_the_most_similar() -> None:
    found = outcome(gap())
    assert found.similarity(RIGHT) == 1.0 > found.similarity(BEGINNING) > found.similarity(WRONG)


def test_the_figures_of_a_group() -> None:
    found = figures_of(
        [
            outcome(gap(0), answer(RIGHT), answer(WRONG, RIGHT)),
            outcome(gap(1), answer(BEGINNING), answer(RIGHT)),
            outcome(gap(2), answer(WRONG), answer(WRONG)),
            outcome(gap(3), answer(), answer(WRONG)),
            outcome(gap(4, kind=GapKind.EMPTY), answer(WRONG), answer()),
            outcome(gap(5, kind=GapKind.EMPTY), Answer((), "the statement is finished"), answer(WRONG)),
        ]
    )
    expected = {
        "gaps": 6,
        "exact": 33.3,  # one of those where something is missing, and silence where nothing is
        "exact_any": 50.0,
        "unasked_exact": 33.3,
        "shown": 75.0,  # at three of four
        "shown_exact": 33.3,
        "shown_true": 66.7,
        "quiet": 50.0,
        "saved": 3.2,  # 8, 5 and twice nothing
        "short": 50.0,
        "forwards": 3.0,  # of the five for which the model was asked
    }
    assert {name: found.as_json()[name] for name in expected} == expected


def test_what_there_is_nothing_of_is_null() -> None:
    found = figures_of([outcome(gap(kind=GapKind.EMPTY))])
    assert found.shown is found.shown_exact is found.saved is found.short is found.similarity is None
    assert figures_of([outcome(gap())]).quiet is None


def report(*outcomes: Outcome) -> Report:
    return Report(outcomes, "0123")


FOUND = report(
    outcome(gap(0), answer(RIGHT), answer(RIGHT)),
    outcome(gap(1), answer(), answer(WRONG)),
    outcome(gap(2, "go"), answer(WRONG), answer(RIGHT)),
    outcome(gap(3, "go", GapKind.EMPTY), answer(), Answer((), "the syntax would be worse")),
    outcome(gap(4, kind=GapKind.BLOCK), answer(WRONG), answer(RIGHT)),
)


def test_the_headline_is_rests_of_lines_in_python() -> None:
    summary = FOUND.summary()
    assert (summary["gaps"], summary["files"], summary["eol_gaps"], summary["eol_exact"]) == (5, 5, 2, 50.0)
    assert summary["eol_exact_interval"] == [0.0, 100.0]
    only_go = report(outcome(gap(2, "go"), answer(), answer(RIGHT))).summary()
    assert (only_go["eol_gaps"], only_go["eol_exact"]) == (1, 100.0)


def test_figures_come_in_lines_by_kind_and_by_language_and_kind() -> None:
    summary = FOUND.summary()
    assert (summary["shown_exact"], summary["quiet"]) == (50.0, 100.0)  # without the block
    assert set(summary["kinds"]) == {"rest of line", "empty", "block"}  # type: ignore[call-overload]
    assert summary["languages"]["go"]["rest of line"]["shown_exact"] == 0.0  # type: ignore[index]
    assert summary["languages"]["python"]["rest of line"]["shown_exact"] == 100.0  # type: ignore[index]


def test_reasons_are_counted() -> None:
    reasons = {"unasked": {UNSURE: 2}, "asked": {"the syntax would be worse": 1}}
    assert FOUND.summary()["reasons"] == reasons


def test_the_last_line_is_json_and_the_tables_say_the_same() -> None:
    written = StringIO()
    FOUND.show(Console(file=written, width=160))
    lines = written.getvalue().rstrip().split("\n")
    assert json.loads(lines[-1]) == FOUND.summary()
    row = next(line for line in lines if "rest of line" in line)
    assert [cell.strip() for cell in row.split("│")[2:5]] == ["3", "66.7", "66.7"]
    assert any("the syntax would be worse" in line for line in lines[:-1])


def test_the_interval_holds_the_mean_and_narrows_with_more_files() -> None:
    def width(files: int) -> float:
        chance = random.Random(0)
        outcomes = [outcome(gap(at), asked=answer(RIGHT if chance.random() < 0.6 else WRONG)) for at in range(files)]
        found = interval(outcomes, exact)
        assert found.low < 0.6 < found.high
        return found.high - found.low

    assert width(300) < width(30) / 2


def test_gaps_of_one_file_count_as_one_draw() -> None:
    """The same 40 gaps, half right: of 40 files, and of two."""
    widths = []
    for files in (40, 2):
        outcomes = [outcome(gap(at % files), asked=answer(RIGHT if at % 2 else WRONG)) for at in range(40)]
        found = interval(outcomes, exact)
        widths.append(found.high - found.low)
    assert widths[1] > 2 * widths[0]


def test_only_gaps_in_a_line_for_which_the_model_was_asked_are_rows() -> None:
    kinds = (GapKind.REST_OF_LINE, GapKind.BLOCK, GapKind.EMPTY, GapKind.ARGUMENTS)
    outcomes = [outcome(gap(kind=kind), whole=RIGHT) for kind in kinds]
    outcomes += [outcome(gap(), whole=None), Outcome(gap(), answer(), answer(), None)]
    rows = gate_rows(outcomes)
    assert [row.kind for row in rows] == [
        GapKind.REST_OF_LINE,
        GapKind.EMPTY,
        GapKind.ARGUMENTS,
        GapKind.REST_OF_LINE,
    ]
    assert [row.exact for row in rows] == [True, False, True, False]
    assert [row.blank for row in rows] == [False, False, False, True]


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


@pytest.mark.parametrize("gap_part", [{"canvas_lengths": [16]}, {"layout": "fim"}], ids=["two reads", "fim"])
def test_the_fit_is_written_so_that_its_threshold_is_the_setting_s(tmp_path: Path, gap_part: dict[str, object]) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"r": 4, "gap": gap_part}))
    rows = drawn_rows(2000, 3.0)
    fitted = gate_file.fit(tmp_path, rows, 0.4)
    written = json.loads(config.read_text())
    assert (written["r"], {name: written["gap"][name] for name in gap_part}) == (4, gap_part)
    gate = ConfidenceModel.from_adapter(written["gap"]["gate"])
    assert fitted.threshold is not None
    shown = [gate.confidence(row.features, row.place) >= 0.4 for row in rows]
    assert sum(shown) == pytest.approx(sum(sure >= fitted.threshold for sure in fitted.held_out), rel=0.05)
    assert (tmp_path / gate_file.CURVE).read_bytes().startswith(b"\x89PNG")


def test_where_no_threshold_is_right_the_adapter_stays_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text('{"gap": {}}')
    rows = [
        GateRow(SURE, Place.LINE_END, GapKind.REST_OF_LINE, f"package{at % 4}", at % 2 > 0, False) for at in range(40)
    ]
    with pytest.raises(ValueError, match="keeps the confidence model it has"):
        gate_file.fit(tmp_path, rows, 0.4)
    assert config.read_text() == '{"gap": {}}'
