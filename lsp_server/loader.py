"""Which model is there, or why none is: loads it in the background and says so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from lsp_server.config import ModelChoice
from lsp_server.worker import ModelError, Worker

BUSY_SECONDS = 0.5  # after which a user wants to know that something is being done
RETRY_SECONDS = 2.0  # after which a model that was not there is looked for again: it may have been pulled

_log = logging.getLogger(__name__)


class State(Enum):
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    ERROR = "error"
    OFF = "off"


@dataclass(frozen=True)
class Status:
    state: State
    message: str  # for people


class Loader:
    """Has one model in the worker: the one that was asked for last."""

    def __init__(self, worker: Worker, tell: Callable[[Status], None]) -> None:
        self._worker = worker
        self._tell = tell
        self._told: Status | None = None
        self._ready = Status(State.READY, "")
        self._choice: ModelChoice | None = None
        self._failed_at: float | None = None  # when loading it did; monotonic seconds
        self._task: asyncio.Task[None] | None = None
        self._asking = 0  # requests that are in `at_work`

    def load(self, choice: ModelChoice) -> None:
        """Have this model. Returns at once."""
        if choice != self._choice:
            self._choice = choice
            self._load_anew(choice)

    def unload(self) -> None:
        """Have none. Returns at once."""
        self._choice = None
        self._start(self._worker.unload())
        self._say(Status(State.OFF, "switched off"))

    def retry(self) -> None:
        """A model is wanted: if it could not be loaded, and that is some time ago, or it was lost, try again."""
        if self._choice is None:
            return
        if self._failed_at is None:
            if self._has_lost_it:
                self._load_anew(self._choice)
        elif time.monotonic() - self._failed_at >= RETRY_SECONDS:
            self._start(self._load(self._choice))  # nothing is said until it is there

    def look_again(self) -> None:
        """A model was pulled: if ours could not be loaded, or was not whole, try again at once."""
        if self._choice is not None and self._failed_at is not None:
            self._load_anew(self._choice)

    def stop(self) -> None:
        """Nobody waits for what is being loaded any more."""
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the model is asked: says so if that takes long, and what is wrong if the model fails."""
        timer = asyncio.get_running_loop().call_later(BUSY_SECONDS, self._say_busy)
        self._asking += 1
        try:
            yield
        except ModelError as error:
            if self._failed_at is None:  # else there is no model, and what was said of that tells what to do
                self._fail(error)
        else:
            if self._worker.is_ready and not self._is_busy:  # after an error
                self._say(self._ready)
        finally:
            timer.cancel()
            self._asking -= 1
            if self._is_busy and not self._asking:
                self._say(self._ready)

    @property
    def _is_busy(self) -> bool:
        return self._told is not None and self._told.state is State.BUSY

    @property
    def _has_lost_it(self) -> bool:
        """Whether our model was loaded and is there no more.

        Another connection switched it off, or left while it had another one loaded.
        """
        was_loaded = self._task is not None and self._task.done()
        return was_loaded and not self._worker.is_ready and not self._worker.is_changing

    def _load_anew(self, choice: ModelChoice) -> None:
        self._say(Status(State.LOADING, f"loading {choice.model}"))
        self._start(self._load(choice))

    async def _load(self, choice: ModelChoice) -> None:
        reason = await self._worker.load(choice)
        _log.info("%s is ready: %s", choice.model, reason)
        self._ready = Status(State.READY, f"{choice.model}: {reason}")
        self._say(self._ready)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self.stop()
        self._failed_at = None
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._failed_at = time.monotonic()
        if isinstance(error, ModelError):
            self._fail(error)
        else:  # nobody has thought of it, and a user has to know all the same
            _log.error("the model cannot be loaded", exc_info=error)
            self._say(Status(State.ERROR, f"the model cannot be loaded: {error}"))

    def _say_busy(self) -> None:
        if self._worker.is_ready:
            self._say(Status(State.BUSY, "looking for suggestions"))

    def _fail(self, error: ModelError) -> None:
        self._say(Status(State.ERROR, str(error)))

    def _say(self, status: Status) -> None:
        """The same is not said twice in a row."""
        if status != self._told:
            self._told = status
            if status.state is State.ERROR:
                _log.error("%s", status.message)
            self._tell(status)
