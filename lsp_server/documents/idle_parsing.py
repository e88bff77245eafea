"""Brings the trees of the open documents up to date a little at a time: nobody waits for a tree, or for its parsing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from lacuna.lsp_server.documents.store import DocumentStore

QUIET_SECONDS = 0.03  # after a change, which a request often follows at once, and after a request
SLICE_MS, PAUSE_SECONDS = 1.0, 0.0025  # of parsing, and for others between two slices


class IdleParsing:
    """Parses between requests, not while one is worked on: it would take the engine's time and hold the interpreter."""

    def __init__(self, documents: DocumentStore, is_busy: Callable[[], bool]) -> None:
        self._documents = documents
        self._is_busy = is_busy
        self._task: asyncio.Task[None] | None = None
        self._since = 0.0  # when something else was last done; monotonic seconds

    def wake(self) -> None:
        """Documents have changed."""
        self._since = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._parse())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _parse(self) -> None:
        done = False
        while not done:
            if self._is_busy():
                self._since = time.monotonic()
            waiting = self._since + QUIET_SECONDS - time.monotonic()
            if waiting <= 0.0:
                done = self._documents.parse_on(SLICE_MS)
            await asyncio.sleep(max(waiting, PAUSE_SECONDS))
