"""What a loaded model prepares while nobody asks: kernels are compiled and passes captured before they are needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lacuna.engine.api import WarmsUp
from lacuna.lsp_server.model.engine_thread import EngineThread, Urgency
from lacuna.lsp_server.model.loading import in_words

if TYPE_CHECKING:
    from lacuna.engine.api import Filler

_log = logging.getLogger(__name__)


class WarmUp:
    """The pieces of work of one model, each a job of its own: whoever types waits for one at most."""

    def __init__(self, filler: Filler, thread: EngineThread, tell: Callable[[], None]) -> None:
        """In the engine's thread. `tell` is called in the event loop whenever `progress` changes."""
        self.progress = ""  # for people
        self._pieces = list(filler.warm_ups()) if isinstance(filler, WarmsUp) else []  # the thread's own
        self._thread = thread
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Goes through all of it, in the background."""
        if self._pieces:
            self._task = asyncio.ensure_future(self._run())
            self._task.add_done_callback(self._ended)

    def end(self) -> None:
        """Begins no more."""
        if self._task is not None:
            self._task.cancel()

    def forget(self) -> None:
        """In the engine's thread: lets go of the model."""
        self._pieces.clear()

    async def _run(self) -> None:
        total, start = len(self._pieces), time.perf_counter()
        while self._pieces:
            self._say(f"preparing its kernels, {total - len(self._pieces)} of {total}")
            await self._thread.run(Urgency.WARM_UP, lambda _: self._next())
        _log.info("%d shapes of passes prepared in %.1f s", total, time.perf_counter() - start)

    def _next(self) -> None:
        if self._pieces:
            self._pieces.pop(0)()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What is not prepared takes longer once; what is wrong beyond that, requests tell."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("not all kernels could be prepared: %s", in_words(error))
        self._say("")

    def _say(self, progress: str) -> None:
        self.progress = progress
        self._tell()
