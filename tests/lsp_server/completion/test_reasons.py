"""No suggestion is a value with a reason, which reaches the statistics: requests go through the real completer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lacuna.engine.api import NEAR, Features, Gap, Infill
from lacuna.lsp_server.completion.completer import Completer
from lacuna.lsp_server.completion.frames import Frames
from lacuna.lsp_server.completion.request import Request
from lacuna.lsp_server.config import ModelChoice, from_client
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.model.loading import Loaded
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.acceptance import Acceptance
from lacuna.lsp_server.telemetry.daily_counts import DailyCounts
from lacuna.lsp_server.telemetry.statistics import Outcome, Statistics

TOKEN = "ghp_" + "a1B2" * 9
LINES = "a = 1\nx = |\n"
CASES: dict[Reason | Outcome, tuple[str, str, float]] = {  # the text, the model's fill of it, its confidence
    Outcome.SHOWN: (LINES, "a + 1", 0.9),
    Outcome.OUTSIDE: ("", "a", 0.9),
    Reason.EXCLUDED: (LINES, "a", 0.9),
    Reason.BINARY: ("a = \0\nx = |\n", "a", 0.9),
    Reason.LINE_TOO_LONG: ("a" * 3000 + " = |\n", "a", 0.9),
    Reason.BLANK_DOCUMENT: ("\n|\n", "a", 0.9),
    Reason.IN_WORD: ("val|ue = 1\n", "a", 0.9),
    Reason.STATEMENT_FINISHED: ("a = 1;|\n", "a", 0.9),
    Reason.LOW_CONFIDENCE: (LINES, "a + 1", 0.1),
    Reason.EMPTY: (LINES, "", 0.9),
    Reason.REPEATS_SUFFIX: ("x = |  # the sum\n", "# the sum", 0.9),
    Reason.LOOPS: (LINES, "a, a, a, a, a, a, a, a, a, a, a, a", 0.9),
    Reason.UNBALANCED: ("x = f(|)\n", "(a", 0.9),
    Reason.SECRET: (LINES, f'"{TOKEN}"', 0.9),
}
LANGUAGES = {Reason.STATEMENT_FINISHED: "javascript"}


class Fills:
    """A model that has one fill."""

    can_rewrite, extent = False, NEAR

    def __init__(self, text: str, confidence: float) -> None:
        features = Features(-1.0, -1.0, -1.0, -1.0, tokens=1, ended=True)
        timings = {"prefill": 1.0, "denoise": 1.0, "rerank": 1.0}
        self._infill = Infill(text, confidence, 1, 1, features, ((text, -3.0),), timings)

    def infill(self, gap: Gap, **_: Any) -> list[Infill]:
        return [self._infill]

    def close(self, document: str) -> None:
        pass


@pytest.mark.parametrize("end", CASES, ids=lambda end: end.name)
async def test_a_request_is_counted_by_its_end(end: Reason | Outcome, tmp_path: Path) -> None:
    marked, fill, confidence = CASES[end]
    before, _, after = marked.partition("|")
    uri = "file:///nowhere/.env" if end is Reason.EXCLUDED else "file:///nowhere/a.py"
    documents = DocumentStore()
    documents.open(uri, LANGUAGES.get(end, "python"), 1, before + after)
    models = Models(lambda choice: Loaded(Fills(fill, confidence), choice.model, ""))  # type: ignore[arg-type]
    worker = models.lease(ModelChoice("given", "cpu", "float32", 1))
    await worker.ready()
    statistics = Statistics(DailyCounts(tmp_path / "statistics.json"))
    config, _ = from_client({})
    frames = Frames(lambda picture: None)
    completer = Completer(documents, Setup.of(config, worker), statistics, Acceptance(documents, statistics), frames)
    line = 99 if end is Outcome.OUTSIDE else before.count("\n")
    position = Position(line, len(before.rpartition("\n")[2]))
    try:
        items = await completer.complete(Request(uri, position, Trigger.AUTOMATIC))
    finally:
        completer.cancel()
        models.close()
    assert statistics.report()["outcomes"] == {end.name.lower(): 1}
    assert bool(items) == (end is Outcome.SHOWN)
    assert (items is None) == (end in (Outcome.OUTSIDE, Reason.EXCLUDED)), "the others take down what is shown"
