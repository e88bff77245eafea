"""A whole evaluation of tiny models in both layouts, the same again without asking, and what a fit is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.evaluate.gaps import AUTOMATIC
from lacuna.engine.evaluate.gate_rows import gate_rows
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.lsp_server.evaluate.evaluation import Plan, evaluate, fit_confidence

# Which gaps are cut hangs on every sign of a text: this one never changes, and some of its gaps are in words.
SOURCE = (Path(__file__).parents[2] / "data" / "training_window.txt").read_text(encoding="utf-8")
LAYOUTS = pytest.mark.parametrize("write", [write_tiny_model, write_tiny_fim_model], ids=["two reads", "fim"])


@pytest.fixture
def split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "test.jsonl"
    fields = [{"package": f"p{at}", "path": "hub.py", "language": "python", "text": SOURCE} for at in range(2)]
    path.write_text("".join(json.dumps(line) + "\n" for line in fields), encoding="utf-8")
    return path


@LAYOUTS
def test_a_whole_evaluation_and_the_same_again_without_the_model(
    write: Callable[[Path], Path], tmp_path: Path, split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, plan = str(write(tmp_path / "tiny")), Plan(gaps=20, limit=20)
    first = evaluate(model, split, plan, progress=False)
    assert len(first.outcomes) == 20
    assert {outcome.unasked.forwards > 0 for outcome in first.outcomes} == {True, False}
    monkeypatch.delattr(GapFiller, "infill")
    assert evaluate(model, split, plan, progress=False) == first


def test_a_split_without_such_gaps_is_told(tmp_path: Path, split: Path) -> None:
    model = str(write_tiny_model(tmp_path / "tiny"))
    with pytest.raises(ValueError, match="no gaps of these"):
        evaluate(model, split, Plan(languages=("go",)), progress=False)
    with pytest.raises(ValueError, match="run `lacuna corpus build`"):
        evaluate(model, tmp_path / "nowhere.jsonl", progress=False)


@LAYOUTS
def test_rows_of_the_confidence_model_come_of_what_the_server_asks(
    write: Callable[[Path], Path], tmp_path: Path, split: Path
) -> None:
    adapter = write(tmp_path / "tiny")
    outcomes = evaluate(str(adapter), split, Plan(limit=30), progress=False).outcomes
    asked = [outcome for outcome in outcomes if outcome.unasked.forwards and outcome.gap.kind in AUTOMATIC]
    assert 0 < len(gate_rows(outcomes)) == len(asked) < len(outcomes)
    with pytest.raises(ValueError, match="some right and some wrong: take more gaps"):  # a tiny model is never right
        fit_confidence(str(adapter), adapter, split, 30)
