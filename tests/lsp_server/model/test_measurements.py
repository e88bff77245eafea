"""The file of measurements: what is written is read, by all that it depends on, and nothing else is believed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from lacuna.engine.device import processor
from lacuna.engine.device.runtime import Runtime
from lacuna.lsp_server.model import measurements
from lacuna.lsp_server.model.measurements import KEPT, MAX_BYTES, Conditions, Measurement, keep, known, read

BUSY = Measurement(100.0, "2026-02-28")
CONDITIONS = Conditions("tiny", "", "cpu", "float32", 2, "a CPU", "0.2.0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "speed.json"


def test_what_is_kept_is_read(path: Path) -> None:
    assert read(path) == {}
    assert keep(path, CONDITIONS, Measurement(58.0))
    assert keep(path, replace(CONDITIONS, model="other"), BUSY)
    assert read(path) == {CONDITIONS: Measurement(58.0), replace(CONDITIONS, model="other"): BUSY}
    assert keep(path, CONDITIONS, Measurement(12.0))
    assert list(read(path).items()) == [(replace(CONDITIONS, model="other"), BUSY), (CONDITIONS, Measurement(12.0))]


@pytest.mark.parametrize("field", fields(Conditions), ids=lambda field: field.name)
def test_another_condition_is_another_measurement(path: Path, field: Any) -> None:
    keep(path, CONDITIONS, Measurement(58.0))
    other = 3 if field.name == "threads" else "another"
    assert replace(CONDITIONS, **{field.name: other}) not in read(path)


def test_the_newest_are_kept_in_a_file_of_that_size(path: Path) -> None:
    for number in range(KEPT + 5):
        assert keep(path, replace(CONDITIONS, model="owner/" + "m" * 80, processor="c" * 60, threads=number), BUSY)
    assert [conditions.threads for conditions in read(path)] == list(range(5, KEPT + 5))
    assert path.stat().st_size < MAX_BYTES


def _changed(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> object:
        content["measured"][0][name] = value
        return content

    return change


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no object": lambda content: [content],
    "another format": lambda content: {**content, "format": 2},
    "no list": lambda content: {**content, "measured": {}},
    "no objects in it": lambda content: {**content, "measured": [1]},
    "no name": _changed("model", None),
    "threads in words": _changed("threads", "2"),
    "threads as a truth": _changed("threads", True),
    "no day": _changed("day", None),
    "no time": _changed("p50_ms", "fast"),
    "a negative time": _changed("p50_ms", -1.0),
    "a time that never ends": _changed("p50_ms", float("inf")),
    "a time that is none": _changed("p50_ms", float("nan")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_such_file_counts_for_nothing_and_is_written_anew(
    path: Path, damage: Callable[[dict[str, Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lacuna")
    keep(path, CONDITIONS, Measurement(58.0))
    path.write_text(json.dumps(damage(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(ValueError, match=r"measurement"):
        read(path)
    assert known(path) == {}
    assert "measured again" in caplog.text
    assert keep(path, CONDITIONS, Measurement(12.0))
    assert read(path) == {CONDITIONS: Measurement(12.0)}


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "x" * (MAX_BYTES + 1)])
def test_what_cannot_be_read(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises((ValueError, OSError)):
        read(path)
    assert known(path) == {}


def test_what_was_taken_on_a_busy_day_counts_on_that_day() -> None:
    assert Measurement(1.0).counts and Measurement(1.0, date.today().isoformat()).counts
    assert not BUSY.counts and not Measurement(1.0, "soon").counts


def test_a_directory_that_cannot_be_written(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.write_text("a file", encoding="utf-8")
    assert not keep(path, CONDITIONS, Measurement(58.0))
    assert "could not be written down" in caplog.text


def test_a_file_that_another_process_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "LOCK_SECONDS", 0.05)
    keep(path, CONDITIONS, Measurement(58.0))
    with FileLock(path.with_suffix(".lock")):
        assert not keep(path, CONDITIONS, Measurement(12.0))
    assert read(path) == {CONDITIONS: Measurement(58.0)}


def test_conditions_are_those_of_the_runtime() -> None:
    runtime = Runtime("cpu", "bfloat16", 3, "for a test")
    found = Conditions.of("tiny", "mine", runtime)
    assert (found.model, found.adapter, found.device, found.dtype, found.threads) == (
        "tiny",
        "mine",
        "cpu",
        "bfloat16",
        3,
    )
    assert found.processor == processor.name("cpu") != ""
