"""What the engine made of a gap, and how long it waited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lacuna.engine.api import Frame, Infill

OnFrame = Callable[[Frame], None]


@dataclass(frozen=True)
class Filled:
    infills: tuple[Infill, ...]  # the best first, at least one
    queue_ms: float  # from the request until the engine began it
