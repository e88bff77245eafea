"""One client's model: which one it has, and the status that it is told (loading, ready, busy, error, off)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model.auto import AUTO, is_better
from lacuna.lsp_server.model.loading import ModelError
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.phase import Phase

BUSY_SECONDS = 0.5  # after which a user wants to know that something is being done

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


class ModelLifecycle:
    """One client's model: the one that was asked for last."""

    def __init__(self, models: Models, tell: Callable[[Status], None]) -> None:
        self.worker = models.none
        self._models = models
        self._tell = tell
        self._told: Status | None = None
        self._phase = self.worker.phase  # as it was last looked at
        self._asking = 0  # requests that are in `at_work`
        self._has_left = False

    def load(self, choice: ModelChoice) -> None:
        """Have this model. Returns at once."""
        if choice != self.worker.choice and not self._has_left:
            self._release()
            self.worker = self._models.lease(choice)
            self.worker.listen(self._tell_change)
            self._phase = self.worker.phase
            self._tell_phase()

    def unload(self) -> None:
        """Have none. Returns at once."""
        self._release()
        self._tell_phase()

    def retry(self) -> None:
        """The model is wanted: if it rests it is loaded, and if it could not be, some time ago, it is tried again."""
        self.worker.retry()

    def look_again(self, pulled: str) -> None:
        """A model was pulled: if ours could not be loaded or was not whole, or "auto" may now be a better one, load it
        at once."""
        worker = self.worker
        is_auto = worker.choice is not None and worker.choice.model == AUTO
        if worker.phase is Phase.FAILED or (worker.is_ready and is_auto and is_better(pulled, worker.model)):
            worker.load()

    def stop(self) -> None:
        """The client has left."""
        self._has_left = True
        self._release()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the model is asked: says so if that takes long, and what is wrong if the model fails."""
        worker, timer = self.worker, asyncio.get_running_loop().call_later(BUSY_SECONDS, self._tell_busy)
        self._asking += 1
        try:
            yield
        except ModelError as error:
            # Where there is no model, the status says already what to do.
            if worker is self.worker and worker.is_ready:
                _log.error("%s", error)
                self._say(Status(State.ERROR, str(error)))
        else:
            if worker.is_ready and not self._is_busy:  # after an error
                self._tell_phase()
        finally:
            timer.cancel()
            self._asking -= 1
            if self._is_busy and not self._asking:
                self._tell_phase()

    @property
    def _is_busy(self) -> bool:
        return self._told is not None and self._told.state is State.BUSY

    def _release(self) -> None:
        worker, self.worker = self.worker, self._models.none
        worker.ignore(self._tell_change)
        self._models.release(worker)

    def _tell_busy(self) -> None:
        if self.worker.is_ready:
            self._say(Status(State.BUSY, "looking for suggestions"))

    def _tell_change(self) -> None:
        """The worker's phase is another, or it has prepared more, which hides neither work nor an error."""
        was, self._phase = self._phase, self.worker.phase
        is_progress = was is self._phase is Phase.READY
        if not is_progress or self._told is None or self._told.state is State.READY:
            self._tell_phase()

    def _tell_phase(self) -> None:
        worker = self.worker
        if worker.choice is None:
            self._say(Status(State.OFF, "switched off"))
        elif worker.phase is Phase.READY:
            notes = [worker.note, *([worker.progress] if worker.progress else [])]
            self._say(Status(State.READY, f"{worker.model}: {'; '.join(notes)}"))
        elif worker.phase is Phase.FAILED:
            self._say(Status(State.ERROR, worker.note))
        elif worker.phase is Phase.RESTING:
            self._say(Status(State.READY, f"{worker.model} rests: it is loaded when you type"))
        else:
            self._say(Status(State.LOADING, f"loading {worker.model}"))

    def _say(self, status: Status) -> None:
        """The same is not said twice in a row."""
        if status != self._told:
            self._told = status
            self._tell(status)
