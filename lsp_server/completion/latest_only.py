"""Only the latest request is worked on; the same one, made again meanwhile, shares that work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class LatestOnly(Generic[Result]):
    """At most one piece of work at a time."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._task: asyncio.Task[Result] | None = None
        self._waiting = 0

    @property
    def is_busy(self) -> bool:
        """Whether something is worked on."""
        return self._task is not None and not self._task.done()

    @property
    def key(self) -> Hashable:
        """Of what is worked on; None where nothing is."""
        return self._key if self.is_busy else None

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result | None:
        """The result of `work`, or None, and that at once, when other work is begun meanwhile.

        What is still worked on under an equal `key` is waited for instead. The work is cancelled when it is superseded,
        and when everybody who waits for it is cancelled.
        """
        if self._task is None or self._task.done() or key != self._key:
            self.cancel()
            self._key, self._task, self._waiting = key, asyncio.create_task(work()), 0
        task = self._task
        self._waiting += 1
        try:
            await asyncio.wait({task})
            return None if task.cancelled() else task.result()
        finally:
            if task is self._task:
                self._waiting -= 1
                if self._waiting == 0:
                    task.cancel()  # does nothing where it has ended

    def cancel(self) -> None:
        """What is worked on is superseded, by nothing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
