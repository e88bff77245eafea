"""How many CPU threads to compute with right now: the cores that other programs leave free."""

from __future__ import annotations

import time

import psutil
import torch

from lacuna.engine.device import runtime
from lacuna.engine.device.other_programs import left_to_us

INTERVAL = 0.25  # seconds; shorter spans say little, the system counts in hundredths of a second


class FreeCores:
    """Keeps torch's thread count at `most`, or at as many physical cores as other programs leave free.

    A thread that waits for one that is not running waits for a whole time slice. One canvas pass on 2 cores, with
    another process at work on one of them: 139 ms in the median and up to 390 with two threads, 51 ms with one. Idle:
    34 and 51 ms.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._process = psutil.Process()
        # The system counts logical CPUs; two of one core are no more than one thread of ours can use.
        self._per_cpu = runtime.physical_cores() / (psutil.cpu_count() or 1)
        self._sampled = time.monotonic()
        self._left = left_to_us(self._process)

    def update(self) -> int:
        """Sets and returns the thread count, by what went on since the last update."""
        elapsed = time.monotonic() - self._sampled
        if elapsed >= INTERVAL:
            before, self._left = self._left, left_to_us(self._process)
            self._sampled += elapsed
            free = (self._left - before) / elapsed  # logical CPUs
            torch.set_num_threads(max(1, min(self._most, round(free * self._per_cpu))))
        return torch.get_num_threads()
