"""How much of the CPU other programs take."""

from __future__ import annotations

import time

import psutil


def left_to_us(process: psutil.Process) -> float:
    """CPU seconds that no program other than `process` has used so far: idle ones, and its own."""
    machine, own = psutil.cpu_times(), process.cpu_times()
    return float(machine.idle + getattr(machine, "iowait", 0.0) + own.user + own.system)


class OtherPrograms:
    """Looks from now on. Stretches of less than a quarter of a second say little: the system counts in hundredths."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._began = time.monotonic()
        self._left = left_to_us(self._process)

    def share(self) -> float:
        """What they took of all CPUs since then, 0 to 1."""
        elapsed = (time.monotonic() - self._began) * (psutil.cpu_count() or 1)
        left = left_to_us(self._process) - self._left
        return min(1.0, max(0.0, 1.0 - left / elapsed)) if elapsed > 0.0 else 0.0
