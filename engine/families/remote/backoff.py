"""A server that went away is not asked at every key: longer and longer pauses, until it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable

from lacuna.engine.families.remote.connection import RemoteError

FIRST, MOST = 1.0, 30.0  # seconds
TOO_MANY = 429


class Backoff:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = 0.0
        self._until = 0.0
        self._error: RemoteError | None = None

    def check(self) -> None:
        """Raises the last RemoteError again where it is too early to ask."""
        if self._error is not None and self._clock() < self._until:
            raise RemoteError(str(self._error), self._error.status)

    def failed(self, error: RemoteError) -> None:
        """The server did not answer, or wants to be left alone; what else it refuses is about one question alone."""
        if 0 < error.status < 500 and error.status != TOO_MANY:
            return
        self._pause = min(MOST, self._pause * 2 or FIRST)
        self._until = self._clock() + max(self._pause, min(error.retry_after, MOST))
        self._error = error

    def answered(self) -> None:
        self._pause, self._error = 0.0, None
