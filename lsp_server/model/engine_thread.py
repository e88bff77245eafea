"""The engine's thread: a priority queue of which the most urgent job goes first, and interrupts less urgent ones.

Two models never compute at once, and whoever types never waits for what is less urgent than a key.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from threading import Condition, Event, Thread
from typing import Any, TypeVar

from lacuna.engine.api import Stopped

# After which a job is not interrupted any more: where several users type all the time, nobody waits for ever.
PATIENCE_SECONDS = 30.0

Result = TypeVar("Result")


class TooLate(Exception):
    """Work would have been begun, or begun again, after its deadline."""


class Urgency(IntEnum):
    """Priority: the lowest goes first, of equals the oldest."""

    KEYSTROKE = 0  # a completion: somebody looks at the cursor
    MODEL = 1  # a model comes or goes
    PREFETCH = 2
    NEXT_EDIT = 3
    ON_REQUEST = 4  # refills and rewrites: whoever asks for one expects to wait
    WARM_UP = 5  # nobody has asked yet


@dataclass(order=True)
class _Job:
    urgency: Urgency
    number: int
    work: Callable[[Event], Any] = field(compare=False)
    deadline: float = field(default=math.inf, compare=False)  # after which it is not begun, nor begun again
    future: Future[Any] = field(default_factory=Future, compare=False)
    context: Context = field(default_factory=copy_context, compare=False)  # the log's, among others
    asked: float = field(default_factory=time.monotonic, compare=False)
    stop: Event = field(default_factory=Event, compare=False)  # of this attempt
    is_unwanted: bool = field(default=False, compare=False)

    @property
    def can_be_interrupted(self) -> bool:
        return time.monotonic() - self.asked < PATIENCE_SECONDS


class EngineThread:
    """Runs jobs one after the other. One that is interrupted by a more urgent one is run again after it."""

    def __init__(self) -> None:
        self._changed = Condition()  # guards all that follows
        self._waiting: list[_Job] = []  # a heap
        self._running: _Job | None = None
        self._numbers = count()
        self._thread: Thread | None = None
        self._is_closed = False

    def submit(self, urgency: Urgency, work: Callable[[Event], Result]) -> Future[Result]:
        """Have `work` done, at most once, however it ends: it is given an event that nobody sets."""
        return self._add(_Job(urgency, next(self._numbers), lambda _: work(Event()))).future

    async def run(self, urgency: Urgency, work: Callable[[Event], Result], deadline: float = math.inf) -> Result:
        """What `work` returns. It is given an event, and raises Stopped soon after that is set: when this is cancelled,
        or when something more urgent comes, after which `work` is called again. Raises TooLate instead of calling it
        after `deadline`, a time.monotonic()."""
        job = self._add(_Job(urgency, next(self._numbers), work, deadline))
        try:
            result: Result = await asyncio.wrap_future(job.future)
            return result
        finally:
            self._give_up(job)

    def close(self) -> None:
        """Take no more jobs, and stop the one that runs; what waits is cancelled."""
        with self._changed:
            self._is_closed = True
            unwanted, self._waiting = self._waiting, []
            if self._running is not None:
                self._running.is_unwanted = True
                self._running.stop.set()
            self._changed.notify()
        for job in unwanted:
            job.future.cancel()

    def _add(self, job: _Job) -> _Job:
        with self._changed:
            if self._is_closed:
                job.future.cancel()
                return job
            heapq.heappush(self._waiting, job)
            running = self._running
            if running is not None and job.urgency < running.urgency and running.can_be_interrupted:
                running.stop.set()
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="engine", daemon=True)
                self._thread.start()
            self._changed.notify()
        return job

    def _give_up(self, job: _Job) -> None:
        with self._changed:
            job.is_unwanted = True
            job.stop.set()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            if job.future.running() or job.future.set_running_or_notify_cancel():
                job.context.run(self._do, job)

    def _next(self) -> _Job | None:
        """The most urgent job, waited for; None at the end."""
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            self._running = heapq.heappop(self._waiting)
            return self._running

    def _do(self, job: _Job) -> None:
        try:
            if job.is_unwanted:  # since it was interrupted
                raise Stopped
            if time.monotonic() > job.deadline:
                raise TooLate
            result = job.work(job.stop)
        except Stopped as stopped:
            if not self._put_back(job):
                job.future.set_exception(stopped)
        except BaseException as error:  # it is the asker's
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _put_back(self, job: _Job) -> bool:
        """Whether a job that was stopped waits again: somebody still wants to know."""
        with self._changed:
            if job.is_unwanted or self._is_closed:
                return False
            job.stop = Event()
            heapq.heappush(self._waiting, job)
            return True
