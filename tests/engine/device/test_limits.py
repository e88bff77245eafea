"""How many threads compute: what the setting allows, the machine's free cores, and a container's quota."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lacuna.engine.device import cgroup, cpu_threads, memory, runtime
from lacuna.engine.device.cgroup import Limits
from lacuna.engine.device.runtime import Runtime


@pytest.mark.parametrize(
    ("most", "logical", "physical", "others", "ours", "expected"),
    [
        (4, 64, 64, 4.0, 0.0, 4),  # a build elsewhere takes nothing from us
        (4, 64, 64, 62.0, 2.0, 2),
        (4, 64, 64, 64.0, 0.0, 1),
        (2, 2, 2, 1.0, 1.0, 1),
        (2, 2, 2, 0.0, 2.0, 2),
        (31, 64, 32, 32.0, 0.0, 16),  # logical CPUs are counted, physical cores compute
        (3, 8, 4, 0.2, 3.0, 3),
        (7, 16, 8, 16.0, 0.0, 1),
    ],
)
def test_threads_are_what_is_free_of_the_machine_and_no_more_than_allowed(
    monkeypatch: pytest.MonkeyPatch, most: int, logical: int, physical: int, others: float, ours: float, expected: int
) -> None:
    seconds = 0.0

    def machine() -> SimpleNamespace:
        busy = (others + ours) * seconds
        return SimpleNamespace(user=busy, idle=logical * seconds - busy, iowait=0.0)

    own = SimpleNamespace(cpu_times=lambda: SimpleNamespace(user=ours * seconds, system=0.0))
    monkeypatch.setattr(cpu_threads.psutil, "cpu_times", machine)
    monkeypatch.setattr(cpu_threads.psutil, "cpu_count", lambda: logical)
    monkeypatch.setattr(cpu_threads.psutil, "Process", lambda: own)
    monkeypatch.setattr(cpu_threads.time, "monotonic", lambda: seconds)
    monkeypatch.setattr(runtime, "physical_cores", lambda: physical)
    before = torch.get_num_threads()
    try:
        cores = cpu_threads.FreeCores(most)
        seconds = 1.0
        assert cores.update() == expected
    finally:
        torch.set_num_threads(before)


GIGABYTE = 2**30
NO_LIMIT = "9223372036854771712"  # as v1 says it
CASES: dict[str, tuple[str, dict[str, str], Limits]] = {
    "v2": (
        "0::/a/b\n",
        {"a/b/cpu.max": "200000 100000", "a/b/memory.max": f"{4 * GIGABYTE}", "a/b/memory.current": f"{GIGABYTE}"},
        Limits(2.0, 3 * GIGABYTE),
    ),
    "v2, a parent is tighter": (
        "0::/a/b\n",
        {
            "a/b/cpu.max": "max 100000",
            "a/cpu.max": "150000 100000",
            "a/b/memory.max": "max",
            "a/memory.max": f"{2 * GIGABYTE}",
            "a/memory.current": f"{2 * GIGABYTE}",
            "a/memory.stat": f"anon 5\ninactive_file {GIGABYTE}\n",
        },
        Limits(1.5, GIGABYTE),
    ),
    "v2 in a container, whose group is the mount": (
        "0::/\n",
        {"cpu.max": "50000 100000", "memory.max": "1000", "memory.current": "400"},
        Limits(0.5, 600),
    ),
    "v2 without limits": ("0::/a\n", {"a/cpu.max": "max 100000", "a/memory.max": "max"}, Limits(None, None)),
    "v1": (
        "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n",
        {
            "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000",
            "memory/docker/1/memory.limit_in_bytes": NO_LIMIT,
            "memory/docker/memory.limit_in_bytes": "5000",
            "memory/docker/memory.usage_in_bytes": "2000",
            "memory/docker/memory.stat": "inactive_file 1\ntotal_inactive_file 500\n",
        },
        Limits(3.0, 3500),
    ),
    "v1 in a container that sees the host's paths": (
        "5:memory:/docker/1\n4:cpu:/docker/1\n",
        {
            "cpu/cpu.cfs_quota_us": "100000",
            "cpu/cpu.cfs_period_us": "50000",
            "memory/memory.limit_in_bytes": "700",
            "memory/memory.usage_in_bytes": "900",
        },
        Limits(2.0, 0),
    ),
    "v1 without a quota": (
        "4:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        Limits(None, None),
    ),
    "both, v2 beside v1's controllers": (
        "0::/a\n4:cpu:/a\n",
        {"unified/a/cpu.max": "400000 100000", "cpu/a/cpu.cfs_quota_us": "-1"},
        Limits(4.0, None),
    ),
    "none": ("", {}, Limits(None, None)),
}


def _written(directory: Path, name: str) -> tuple[Path, Path]:
    own, files, _ = CASES[name]
    for path, text in files.items():
        (directory / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / "root" / path).write_text(text + "\n", encoding="utf-8")
    (directory / "own").write_text(own, encoding="utf-8")
    return directory / "root", directory / "own"


@pytest.mark.parametrize("name", CASES)
def test_limits_of_a_container(tmp_path: Path, name: str) -> None:
    found = cgroup.limits(*_written(tmp_path, name))
    expected = CASES[name][2]
    # v1's "no limit" is a number too, larger than any machine.
    free = found.free_memory if (found.free_memory or 0) < 2**60 else None
    assert Limits(found.cpus, free) == expected


def test_where_there_are_no_cgroups_there_are_no_limits(tmp_path: Path) -> None:
    assert cgroup.limits(tmp_path / "none", tmp_path / "neither") == Limits(None, None)


@pytest.mark.parametrize(("quota", "expected"), [(2.0, 2), (0.5, 1), (1.9, 1), (8.0, 7), (None, 63)])
def test_a_quota_bounds_threads_that_nobody_set(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(cgroup, "limits", lambda: Limits(quota, 1000))
    monkeypatch.setattr(runtime, "physical_cores", lambda: 64)
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda pid: range(64), raising=False)
    before = torch.get_num_threads()
    try:
        assert runtime.choose("cpu").threads == expected
        assert runtime.choose("cpu", threads=5).threads == 5
    finally:
        torch.set_num_threads(before)
    assert memory.available(Runtime("cpu", "float32", 1, "")) == 1000
