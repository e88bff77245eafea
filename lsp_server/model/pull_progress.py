"""A pull's progress as one number for all its stages, told on the event loop, and no more often than it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lacuna.engine.store.progress import Stage

# Per cent of the whole in which a stage goes on. Of pulling the embedded model, fetching takes by far the longest.
_SPANS = {
    **dict.fromkeys((Stage.WAITING, Stage.ASKING, Stage.MIRROR), (0, 0)),
    Stage.FETCHING: (0, 85),
    Stage.CONVERTING: (85, 95),
    Stage.CHECKING: (95, 100),
}


class PullProgress:
    """A report for `lacuna.engine.store.model_store.pull`."""

    def __init__(self, tell: Callable[[int, str], None]) -> None:
        """`tell` gets a percentage that never falls, and what is being done. Create it on the event loop."""
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._told = (0, "")

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        self._loop.call_soon_threadsafe(self._progress, stage, done, total)

    def _progress(self, stage: Stage, done: int, total: int) -> None:
        first, last = _SPANS[stage]
        percentage = first + (last - first) * done // total if total else first
        message = stage.value
        if stage is Stage.FETCHING and total:
            message += f" {total / 1e6:,.0f} MB"
        now = max(percentage, self._told[0]), message
        if now != self._told:
            self._told = now
            self._tell(*now)
