"""How many CPU threads to compute with right now: the cores that other programs leave free."""

from __future__ import annotations

import time

import psutil
import torch

INTERVAL = 0.25  # seconds; shorter spans say little, the system counts in hundredths of a second


class FreeCores:
    """Keeps torch's thread count at `most`, less what other programs keep busy.

    A thread that waits for one that is not running waits for a whole time slice. One canvas pass on 2 cores, with
    another process at work on one of them: 139 ms in the median and up to 390 with two threads, 51 ms with one. Idle:
    34 and 51 ms.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._process = psutil.Process()
        self._sampled = time.monotonic()
        self._others = self._busy_elsewhere()

    def update(self) -> int:
        """Sets and returns the thread count, by what went on since the last update."""
        elapsed = time.monotonic() - self._sampled
        if elapsed >= INTERVAL:
            before, self._others = self._others, self._busy_elsewhere()
            self._sampled += elapsed
            busy = (self._others - before) / elapsed  # cores
            torch.set_num_threads(max(1, self._most - round(busy)))
        return torch.get_num_threads()

    def _busy_elsewhere(self) -> float:
        """Core seconds that all other programs have used so far."""
        machine, own = psutil.cpu_times(), self._process.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        return sum(machine[:8]) - idle - own.user - own.system
