"""Brings the trees of the open documents up to date a little at a time: nobody waits for a tree, or for its parsing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lsp_server.documents import DocumentStore

START_SECONDS = 0.03  # a request often follows a change at once, and comes first
SLICE_MS, PAUSE_SECONDS = 2.0, 0.005  # of parsing, and for others between two slices


class IdleParsing:
    """Parses between requests, not while one is worked on: it would take the engine's time and hold the interpreter."""

    def __init__(self, documents: DocumentStore, is_busy: Callable[[], bool]) -> None:
        self._documents = documents
        self._is_busy = is_busy
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Documents have changed."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._parse())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _parse(self) -> None:
        await asyncio.sleep(START_SECONDS)
        while self._is_busy() or not self._documents.parse_on(SLICE_MS):
            await asyncio.sleep(PAUSE_SECONDS)
