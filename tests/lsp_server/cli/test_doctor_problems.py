"""What `lacuna doctor` says of a model that loads and does not work. No model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lacuna.engine.api import Gap
from lacuna.lsp_server.cli import doctor
from lacuna.lsp_server.config import ModelChoice


class Broken:
    """A filler on a device that lacks an operation."""

    def infill(self, gap: Gap) -> Any:
        raise NotImplementedError("no kernel for aten::topk")


def test_a_model_that_fails_at_its_work_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_directory", lambda model, problems: tmp_path)
    monkeypatch.setattr(doctor, "_memory", lambda model, chosen, problems: None)
    monkeypatch.setattr(doctor, "_filler", lambda choice, chosen, problems: Broken())
    monkeypatch.setattr(doctor, "_adapter", lambda choice: None)
    report = doctor.examine(ModelChoice("tiny", "cpu", "float32", 1))
    [problem] = report.problems
    assert "NotImplementedError: no kernel for aten::topk" in problem and "choose another" in problem
    assert report.fills == () and report.load_ms is not None
