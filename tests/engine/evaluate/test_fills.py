"""Fills of an evaluation: those that the engine gives, asked for once and judged anew each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.api import Gap, Snippet
from lacuna.engine.evaluate import subject
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.fills import Fills, key
from lacuna.engine.evaluate.subject import Subject
from lacuna.engine.families.gap.confidence import ConfidenceModel

GAP = Gap("def scale(values, factor):\n    return [value * fac", "\n\n\nprint(scale([1], 2))\n", max_tokens=12)


@pytest.fixture(params=["two reads", "fim", "fim without an adapter"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if request.param == "two reads":
        directory = write_tiny_model(tmp_path / "tiny")
    else:
        directory = write_tiny_fim_model(tmp_path / "tiny", adapter=request.param == "fim")
    return subject.load(str(directory), dtype="float32")


def test_fills_are_the_engine_s_and_known_afterwards(loaded: Subject, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    engine_s = [replace(infill, timings={}) for infill in loaded.filler.infill(GAP, num_candidates=2)]
    loaded.filler.close("")
    with AnswerFile(path) as known:
        assert Fills(loaded, known).of(GAP, 2) == engine_s
    written = path.read_bytes()
    with AnswerFile(path) as known:
        assert Fills(loaded, known).of(GAP, 2) == engine_s
    assert path.read_bytes() == written


def test_a_known_fill_is_as_sure_as_the_present_confidence_model_says(loaded: Subject, tmp_path: Path) -> None:
    with AnswerFile(tmp_path / "answers.jsonl") as known:
        before = Fills(loaded, known).of(GAP, 1)
        config = replace(loaded.filler.denoiser.config, gate=ConfidenceModel(-50.0, {}))
        loaded.filler.denoiser.config = config
        after = Fills(loaded, known).of(GAP, 1)
        assert len(known) == 1
    assert after == [replace(infill, confidence=after[0].confidence) for infill in before]
    assert after[0].confidence < 1e-9 < before[0].confidence


def test_keys_tell_questions_apart() -> None:
    others = [
        replace(GAP, suffix=GAP.suffix + " "),
        replace(GAP, language="python"),
        replace(GAP, snippets=(Snippet("x = 1\n"),)),
        replace(GAP, max_lines=1),
        replace(GAP, n_best=3),
    ]
    names = {key(GAP, 2), key(GAP, 3), *(key(other, 2) for other in others)}
    assert len(names) == 2 + len(others)
    assert key(replace(GAP), 2) == key(GAP, 2)


def test_a_line_that_was_cut_short_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "subject.jsonl"
    with AnswerFile(path) as file:
        file.put("a", ["text", 3])
        file.put("b", "é")
    path.write_bytes(path.read_bytes()[:-5])
    with AnswerFile(path) as file:
        assert file.get("a") == ["text", 3]
        assert file.get("b") is None
        file.put("b", "again")
    with AnswerFile(path) as file:
        assert file.get("b") == "again"


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "subject.jsonl"
    with AnswerFile(path) as one, AnswerFile(path) as other:
        for number in range(5):
            one.put(f"a{number}", number)
            other.put(f"b{number}", number)
    with AnswerFile(path) as file:
        assert len(file) == 10
