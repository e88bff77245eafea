"""Timed keystrokes: the first one is cold, and nobody waits long for a slow model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from lacuna.engine.api import Gap
from lacuna.lsp_server.model import keystrokes
from lacuna.lsp_server.model.keystrokes import FEWEST, QUIET_SHARE, Speed, TimedFill, speed_of, timed


@dataclass
class Typist:
    """Takes down what it is asked; every fill takes so long."""

    seconds: float = 0.0
    prefixes: list[str] = field(default_factory=list)

    def infill(self, gap: Gap) -> list[Any]:
        self.prefixes.append(gap.prefix)
        time.sleep(self.seconds)
        return [SimpleNamespace(text="", steps=1, forwards=1, timings={"prefill": 0.123})]


def fill(ms: float) -> TimedFill:
    return TimedFill("", 1, 1, ms, {})


def test_every_key_is_a_fill_behind_the_one_before() -> None:
    typist: Any = Typist()
    fills = list(timed(typist))
    assert len(fills) == 10 and fills[0].stages_ms == {"prefill": 0.1}
    for before, after in zip(typist.prefixes, typist.prefixes[1:], strict=False):
        assert after[:-1] == before


def test_a_slow_model_is_asked_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystrokes, "PATIENCE_SECONDS", 0.01)
    typist: Any = Typist(seconds=0.005)
    assert len(list(timed(typist))) == FEWEST


def test_the_median_is_that_of_the_warm_ones() -> None:
    assert speed_of([fill(900.0), fill(3.0), fill(1.0), fill(2.0)], 0.0) == Speed(2.0, 0.0)
    assert speed_of([fill(900.0), fill(30.0), fill(10.0)], 0.0).p50_ms == 30.0, "in doubt the slower one"


def test_what_other_programs_may_take() -> None:
    assert not Speed(1.0, QUIET_SHARE).is_disturbed
    assert Speed(1.0, QUIET_SHARE + 0.01).is_disturbed
