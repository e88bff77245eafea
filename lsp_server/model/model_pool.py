"""The models of this process, reference-counted: one for all clients that chose the same, until the last one leaves."""

from __future__ import annotations

from collections import Counter

from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import LoadModel, load
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker


class Models:
    """Lends models to clients. They compute in one thread, whatever their number."""

    def __init__(self, load_model: LoadModel = load) -> None:
        self._load_model = load_model
        self._thread = EngineThread()
        self._workers: dict[ModelChoice, Worker] = {}
        self._users: Counter[ModelChoice] = Counter()
        self.none = Worker(self._thread, None, load_model)  # what a client has that wants no model

    def lease(self, choice: ModelChoice) -> Worker:
        """The model for a client that has given back what it had before; it is loaded where nobody uses it yet."""
        worker = self._workers.get(choice)
        if worker is None:
            worker = self._workers[choice] = Worker(self._thread, choice, self._load_model)
        self._users[choice] += 1
        worker.audience.join()
        worker.want()
        return worker

    def release(self, worker: Worker) -> None:
        """A client does not use a model any more; if nobody does, its memory is given back."""
        worker.audience.leave()
        if worker.choice is None:
            return
        self._users[worker.choice] -= 1
        if not self._users[worker.choice]:
            del self._users[worker.choice], self._workers[worker.choice]
            worker.give_up(Phase.GONE)

    def rest(self, seconds: float) -> None:
        """Models that nobody has asked for so long give their memory back until somebody does."""
        for worker in self._workers.values():
            worker.rest(seconds)

    def in_words(self) -> list[str]:
        """For people: each model, and what it is at."""
        return [f"{worker.model}: {worker.phase.value}" for worker in self._workers.values()]

    def close(self) -> None:
        """Take no more requests."""
        self._thread.close()
