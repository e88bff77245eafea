""" "auto" end to end, with tiny models in a cache of their own: chosen, measured, passed over, told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Self

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.device import memory, runtime
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading as gap_loading
from lacuna.engine.store import model_store
from lacuna.lsp_server.cli import doctor
from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model import auto, auto_loading, keystrokes, measurements
from lacuna.lsp_server.model.auto import AUTO, CANDIDATE_NAMES, Candidate
from lacuna.lsp_server.model.auto_loading import CannotLoadError
from lacuna.lsp_server.model.lifecycle import ModelLifecycle, State, Status
from lacuna.lsp_server.model.measurements import Conditions, Measurement
from lacuna.lsp_server.model.model_pool import Models

LARGE, MIDDLE, SMALL = CANDIDATE_NAMES
CHOICE = ModelChoice(AUTO, "cpu", "float32", 1)


class Machine:
    """A store and a state directory, of which nobody has made use yet."""

    def __init__(self, directory: Path) -> None:
        self.adapters = directory / "adapters"
        self.store = directory / "cache" / "models"
        self.runtime = runtime.choose("cpu", "float32", 1)

    def pull(self, name: str) -> Path:
        """A tiny model in the place of a real one, with a manifest of its files, and its adapter in that of ours."""
        place = self.store / name
        (write_tiny_model if name == SMALL else write_tiny_fim_model)(place)
        self.adapters.joinpath(name).mkdir(parents=True)
        for file in place.glob("adapter_*"):
            file.rename(self.adapters / name / file.name)
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for file in place.iterdir()
        }
        manifest = {"format": model_store.MANIFEST_FORMAT, "source": "a test", "files": files}
        (place / model_store.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return place

    def was_measured(self, name: str, p50_ms: float, day: str = "") -> None:
        measurements.keep(measurements.default_path(), self.conditions(name), Measurement(p50_ms, day))

    def conditions(self, name: str) -> Conditions:
        return Conditions.of(name, "", self.runtime)

    @property
    def measured(self) -> measurements.Measurements:
        return measurements.read(measurements.default_path())

    def load(self) -> str:
        return auto_loading.load(AUTO, self.runtime)[1]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LACUNA_STATE", str(tmp_path / "state"))
    machine = Machine(tmp_path)
    monkeypatch.setattr(gap_loading, "ADAPTERS", machine.adapters)
    return machine


def test_with_a_single_one_nothing_is_looked_at_and_nothing_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.pull(SMALL)
    machine.was_measured(SMALL, 9_999.0)
    written = measurements.default_path().read_bytes()
    for module, name in ((measurements, "known"), (keystrokes, "speed"), (memory, "available")):
        monkeypatch.setattr(module, name, None)
    assert auto_loading.expected(AUTO) == SMALL
    assert machine.load() == SMALL
    assert measurements.default_path().read_bytes() == written


def test_the_best_is_measured_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    monkeypatch.setattr(auto, "CANDIDATES", tuple(Candidate(name, 60_000.0) for name in CANDIDATE_NAMES))
    assert machine.load() == MIDDLE
    [(conditions, measurement)] = machine.measured.items()
    assert conditions == machine.conditions(MIDDLE) and measurement.p50_ms > 0.0
    monkeypatch.setattr(keystrokes, "speed", None)
    assert machine.load() == MIDDLE


def test_what_is_too_slow_is_passed_over_at_once_and_later(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lacuna.lsp_server")
    for name in CANDIDATE_NAMES:
        machine.pull(name)
    budgets = dict.fromkeys((LARGE, MIDDLE), 0.0) | {SMALL: 60_000.0}
    monkeypatch.setattr(auto, "CANDIDATES", tuple(Candidate(name, ms) for name, ms in budgets.items()))
    assert machine.load() == SMALL
    assert {conditions.model for conditions in machine.measured} == {LARGE, MIDDLE}, "the last need not be"
    assert f"auto is {SMALL}" in caplog.text and f"{LARGE}: too slow here" in caplog.text
    monkeypatch.setattr(keystrokes, "speed", None)
    assert machine.load() == SMALL


def test_where_nothing_can_be_written_down_it_ends_as_well(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    measurements.default_path().parent.write_text("no directory", encoding="utf-8")
    monkeypatch.setattr(auto, "CANDIDATES", tuple(Candidate(name, 0.0) for name in CANDIDATE_NAMES))
    assert machine.load() == SMALL


def test_another_number_of_threads_is_another_machine(machine: Machine) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    machine.was_measured(MIDDLE, 9_999.0)
    assert machine.load() == SMALL
    others = Runtime("cpu", "float32", 2, "for a test")
    assert auto_loading.Candidates(others, "").choice().model == MIDDLE
    assert auto_loading.Candidates(others, "").choice().is_to_be_measured


@pytest.mark.parametrize(("share", "counts"), [(0.1, True), (0.9, False)])
def test_a_time_of_a_busy_machine_counts_for_a_day(
    machine: Machine, share: float, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    candidates = auto_loading.Candidates(machine.runtime, "")
    candidates.measured(MIDDLE, keystrokes.Speed(9_999.0, share))
    assert candidates.choice().model == auto_loading.Candidates(machine.runtime, "").choice().model == SMALL
    candidates.measured(SMALL, keystrokes.Speed(1.0, share))
    assert machine.measured[machine.conditions(SMALL)].day == "", "it can only be faster"
    monkeypatch.setattr(measurements, "date", Tomorrow)
    assert (auto_loading.Candidates(machine.runtime, "").choice().model == SMALL) == counts


class Tomorrow(date):
    @classmethod
    def today(cls) -> Self:
        return cls.fromordinal(date.today().toordinal() + 1)


def test_too_little_memory(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    machine.was_measured(MIDDLE, 1.0)
    assert machine.load() == MIDDLE
    monkeypatch.setattr(memory, "available", lambda runtime: 1)
    choice = auto_loading.Candidates(machine.runtime, "").choice()
    assert choice.model == SMALL and "too large" in choice.why
    assert "too large" in {other.model: other.reason for other in choice.passed_over}[MIDDLE]


def test_a_damaged_one_is_an_error_and_no_reason_to_take_another(machine: Machine) -> None:
    (machine.pull(MIDDLE) / "model.safetensors").write_bytes(b"")
    machine.pull(SMALL)
    with pytest.raises(CannotLoadError, match=f"is damaged .* run `lacuna pull {MIDDLE}`"):
        machine.load()


def test_nothing_is_pulled(machine: Machine) -> None:
    assert auto_loading.expected(AUTO) == model_store.DEFAULT_PULL
    with pytest.raises(CannotLoadError, match=f"run `lacuna pull {model_store.DEFAULT_PULL}`"):
        machine.load()


def test_an_adapter_chooses_its_model(machine: Machine, tmp_path: Path) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    machine.was_measured(MIDDLE, 1.0)
    foreign = write_tiny_fim_model(tmp_path / "mine")
    config = json.loads((foreign / "adapter_config.json").read_text(encoding="utf-8")) | {"r": 3}
    assert auto_loading.Candidates(machine.runtime, str(foreign)).choice().model == MIDDLE
    (foreign / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    choice = auto_loading.Candidates(machine.runtime, str(foreign)).choice()
    assert {other.model: other.reason for other in choice.passed_over}[MIDDLE].startswith("the adapter is made for")
    with pytest.raises(CannotLoadError, match="there is no adapter"):
        auto_loading.load(AUTO, machine.runtime, str(tmp_path / "none"))


class Told(list[Status]):
    async def until(self, state: State) -> Status:
        async with asyncio.timeout(60.0):
            while not self or self[-1].state is not state:
                await asyncio.sleep(0.01)
        return self[-1]


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models()
    yield models
    models.close()


async def test_a_client_is_told_the_name_and_a_better_one_that_is_pulled_is_taken(
    machine: Machine, models: Models
) -> None:
    machine.pull(SMALL)
    told = Told()
    lifecycle = ModelLifecycle(models, told.append)
    lifecycle.load(CHOICE)
    assert told == [Status(State.LOADING, f"loading {SMALL}")]
    assert (await told.until(State.READY)).message.startswith(f"{SMALL}: cpu as asked")
    lifecycle.look_again(SMALL)
    lifecycle.look_again("owner/name")
    assert len(told) == 2, "neither is better"
    machine.pull(MIDDLE)
    machine.was_measured(MIDDLE, 1.0)
    lifecycle.look_again(MIDDLE)
    await told.until(State.LOADING)
    assert (await told.until(State.READY)).message.startswith(f"{MIDDLE}: ")


async def test_a_model_that_was_named_stays(machine: Machine, models: Models) -> None:
    machine.pull(SMALL)
    told = Told()
    lifecycle = ModelLifecycle(models, told.append)
    lifecycle.load(ModelChoice(SMALL, "cpu", "float32", 1))
    await told.until(State.READY)
    machine.pull(MIDDLE)
    lifecycle.look_again(MIDDLE)
    assert told[-1].state is State.READY


def test_doctor_tells_why(machine: Machine) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    machine.was_measured(MIDDLE, 9_999.0)
    report = doctor.examine(CHOICE)
    assert (report.model, report.problems) == (SMALL, ())
    assert report.auto is not None and report.auto.model == SMALL
    reasons = {other.model: other.reason for other in report.auto.passed_over}
    assert reasons[LARGE] == "not pulled" and reasons[MIDDLE].startswith("too slow here: 9999 ms")
    assert report.auto.offers == (), "what is larger would be slower still"
    text = doctor.as_text(report)
    assert f"auto              {SMALL}: " in text
    assert f"passed over       {MIDDLE}: too slow here: 9999 ms a keystroke, 150 at most" in text
    assert "could be pulled" not in text
    assert json.loads(doctor.as_json(report))["auto"]["model"] == SMALL


def test_doctor_measures_again(machine: Machine) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    machine.was_measured(MIDDLE, 9_999.0)
    report = doctor.examine(ModelChoice(MIDDLE, "cpu", "float32", 1))
    assert report.auto is None
    assert report.speed is not None
    assert round(report.speed.p50_ms, 1) == machine.measured[machine.conditions(MIDDLE)].p50_ms < 9_999.0


def test_doctor_goes_on_to_the_next_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.pull(MIDDLE)
    machine.pull(SMALL)
    budgets = {LARGE: 0.0, MIDDLE: 0.0, SMALL: 60_000.0}
    monkeypatch.setattr(auto, "CANDIDATES", tuple(Candidate(name, ms) for name, ms in budgets.items()))
    report = doctor.examine(CHOICE)
    assert report.model == SMALL and report.auto is not None
    assert "too slow" in report.auto.passed_over[-1].reason
