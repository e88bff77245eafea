"""A worker for tests of next edits: goes on with diffs as it is told to, and notes what it is asked. No model."""

from __future__ import annotations

import math
from collections.abc import Callable

from lacuna.engine.api import Passage, Patch, Patched, Surprise
from lacuna.engine.diff_api import DiffQuestion, LineChange, LineEdit
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker


class DiffWorker(Worker):
    """Is sure of what `goes_on` says of a question; nothing surprises it, and of what rules draft nothing is better."""

    def __init__(self, goes_on: Callable[[DiffQuestion], LineChange | None]) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase, self.is_in_fim_layout = Phase.READY, True
        self.goes_on = goes_on
        self.asked: list[Patch | DiffQuestion] = []

    async def surprises(self, passage: Passage, deadline: float = math.inf) -> tuple[Surprise, ...]:
        return ()

    async def patch(self, patch: Patch, deadline: float = math.inf) -> Patched:
        self.asked.append(patch)
        return Patched((), 1, 1)

    async def continue_diff(self, question: DiffQuestion, deadline: float) -> tuple[LineChange, ...]:
        self.asked.append(question)
        change = self.goes_on(question)
        return () if change is None else (change,)

    @property
    def questions(self) -> list[DiffQuestion]:
        """Those about diffs."""
        return [one for one in self.asked if isinstance(one, DiffQuestion)]


class EditsWorker(DiffWorker):
    """Knows edits: is told what becomes of a window, and is not sure of how any diff goes on."""

    def __init__(self, becomes: Callable[[DiffQuestion], LineEdit | None]) -> None:
        super().__init__(lambda question: None)
        self.knows_edits = True
        self._becomes = becomes
        self.windows: list[DiffQuestion] = []

    async def next_edit(self, question: DiffQuestion, least: float, deadline: float) -> LineEdit | None:
        self.windows.append(question)
        edit = self._becomes(question)
        return edit if edit is not None and edit.probability >= least else None
