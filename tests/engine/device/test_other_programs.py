"""What other programs take of the CPU, by the system's counters and by this process' own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lacuna.engine.device import other_programs
from lacuna.engine.device.other_programs import OtherPrograms


@pytest.mark.parametrize(
    ("idle", "waiting", "own", "share"),
    [
        (40.0, 0.0, 0.0, 0.0),
        (20.0, 10.0, 10.0, 0.0),
        (10.0, 0.0, 10.0, 0.5),
        (0.0, 0.0, 10.0, 0.75),
        (41.0, 0.0, 1.0, 0.0),  # counters are no clocks
    ],
)
def test_the_share_of_others(
    idle: float, waiting: float, own: float, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In ten seconds on four CPUs."""
    machine, ours = SimpleNamespace(idle=100.0, iowait=1.0), SimpleNamespace(user=5.0, system=1.0)
    process, clock = SimpleNamespace(cpu_times=lambda: ours), SimpleNamespace(now=50.0)
    monkeypatch.setattr(other_programs.psutil, "cpu_times", lambda: machine)
    monkeypatch.setattr(other_programs.psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(other_programs.psutil, "Process", lambda: process)
    monkeypatch.setattr(other_programs.time, "monotonic", lambda: clock.now)
    others = OtherPrograms()
    assert others.share() == 0.0
    machine.idle += idle
    machine.iowait += waiting
    ours.user += own * 0.75
    ours.system += own * 0.25
    clock.now += 10.0
    assert others.share() == pytest.approx(share)
