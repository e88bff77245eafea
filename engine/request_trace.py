"""One request's clocks and counts, on its way through the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import torch

from lacuna.engine.api import Frame


class OutOfTime(Exception):
    """A request's budget was spent between two pieces of work."""


class RequestTrace:
    def __init__(
        self, check: Callable[[], None], on_frame: Callable[[Frame], None] = lambda frame: None, seconds: float = inf
    ) -> None:
        """`seconds` from now on are the request's budget."""
        self._check = check
        self._begun = time.monotonic()
        self.seconds = seconds
        self.on_frame = on_frame
        self.steps = 0
        self.forwards = 0
        self.timings = {"prefill": 0.0, "denoise": 0.0, "rerank": 0.0}  # milliseconds

    def check(self) -> None:
        """Between two pieces of work. Raises OutOfTime, or what the request's own check raises."""
        self._check()
        if time.monotonic() - self._begun >= self.seconds:
            raise OutOfTime

    def count(self) -> None:
        """Before a pass through the network."""
        self.check()
        self.forwards += 1

    def step(self, frame: Frame) -> None:
        """After a denoising step."""
        self.steps += 1
        self.on_frame(frame)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.timings[name] += (time.perf_counter() - start) * 1000.0
