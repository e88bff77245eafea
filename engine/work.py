"""One request's clocks and counts, on its way through the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from engine.gap import Frame


class Work:
    def __init__(self, check: Callable[[], None], on_frame: Callable[[Frame], None]) -> None:
        self.check = check
        self.on_frame = on_frame
        self.steps = 0
        self.forwards = 0
        self.timings = {"encode": 0.0, "denoise": 0.0, "judge": 0.0}  # milliseconds

    def count(self) -> None:
        """Before a pass through the network."""
        self.check()
        self.forwards += 1

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        with torch.inference_mode():
            yield
        self.timings[name] += (time.perf_counter() - start) * 1000.0
