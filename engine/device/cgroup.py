"""What a container may use of the machine: CPU quota and memory limit, of cgroups v1 and v2 (cgroups(7))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
UNIFIED = "unified"  # where a hybrid system mounts v2, under v1's controllers


@dataclass(frozen=True)
class Limits:
    """None where there is no limit."""

    cpus: float | None  # CPU seconds a second
    free_memory: int | None  # bytes that are not used yet, or that the system would give up


def limits(root: Path = ROOT, own: Path = OWN) -> Limits:
    """The tightest of this process' group and of all above it. `own` is a file as /proc/self/cgroup; where it is not
    there, or `root` is none of cgroups', there are no limits."""
    cpus = [quota for group in _groups(root, own, "cpu") if (quota := _quota(group)) is not None]
    free = [left for group in _groups(root, own, "memory") if (left := _free_memory(group)) is not None]
    return Limits(min(cpus, default=None), min(free, default=None))


def _groups(root: Path, own: Path, controller: str) -> Iterator[Path]:
    """Directories of this process' groups that know of a controller, each with those above it up to the mount.

    In a container the paths may be the host's, which are not there: the mount itself is then the container's group.
    """
    for line in own.read_text(encoding="utf-8").splitlines() if own.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for mount in {root / name for name in (controllers, controller)} if controllers else {root, root / UNIFIED}:
            group = mount / path.lstrip("/")
            yield from (at for at in (group, *group.parents) if at.is_relative_to(mount) and at.is_dir())


def _quota(group: Path) -> float | None:
    if (both := _words(group / "cpu.max")) is not None:  # v2
        return None if both[0] == "max" else int(both[0]) / int(both[1])
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    if quota is None or period is None or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])


def _free_memory(group: Path) -> int | None:
    """v1 says "no limit" with a number that no machine has: what is free of that is more than the machine has too."""
    limit, used = _words(group / "memory.max"), _words(group / "memory.current")
    if limit is None:
        limit, used = _words(group / "memory.limit_in_bytes"), _words(group / "memory.usage_in_bytes")
    if limit is None or limit[0] == "max":
        return None
    stat = _words(group / "memory.stat") or []
    counts = dict(zip(stat[::2], stat[1::2], strict=False))
    # Files that were read and are not in use: given up before anything fails.
    reclaimable = int(counts.get("total_inactive_file", counts.get("inactive_file", "0")))
    return max(0, int(limit[0]) - int(used[0] if used else 0) + reclaimable)


def _words(file: Path) -> list[str] | None:
    return file.read_text(encoding="utf-8").split() if file.is_file() else None
