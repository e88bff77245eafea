"""Where the cursor rested, or something was asked, while the model was loading: it is read once the model is there."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from lacuna.engine.api import NEAR, Gap
from lacuna.lsp_server.completion.completer import Completer
from lacuna.lsp_server.completion.frames import Frames
from lacuna.lsp_server.completion.request import Request
from lacuna.lsp_server.config import ModelChoice, from_client
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.model.loading import Loaded
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.acceptance import Acceptance
from lacuna.lsp_server.telemetry.daily_counts import DailyCounts
from lacuna.lsp_server.telemetry.statistics import Statistics

URI = "file:///nowhere/a.py"
FIRST, LAST = Position(0, 4), Position(1, 4)  # behind "a = ", and behind "b = "


class Editing:
    """A completer whose model is loaded when `let_load` says so."""

    def __init__(self, directory: Path) -> None:
        self.read: list[str] = []  # the last four characters before each place that the model read
        self.may_load = Event()
        self.fault: Exception | None = None
        self.models = Models(self._load)
        self.worker: Worker = self.models.lease(ModelChoice("given", "cpu", "float32", 1))
        documents = DocumentStore()
        documents.open(URI, "python", 1, "a = \nb = \nprint(a, b)\n")
        statistics = Statistics(DailyCounts(directory / "statistics.json"))
        setup = Setup.of(from_client({})[0], self.worker)
        acceptance = Acceptance(documents, statistics)
        self.completer = Completer(documents, setup, statistics, acceptance, Frames(lambda picture: None))

    async def let_load(self, fault: Exception | None = None) -> None:
        """Has the load end, and what follows it."""
        await asyncio.sleep(0)  # so that what was begun waits
        self.fault = fault
        self.may_load.set()
        async with asyncio.timeout(10.0):
            while self.worker.phase is Phase.LOADING or self.completer._prefetch.is_reading:
                await asyncio.sleep(0.001)

    def prefill(self, gap: Gap, **_: Any) -> None:
        self.read.append(gap.prefix[-4:])

    def close(self, document: str) -> None:
        pass

    can_rewrite, extent = False, NEAR

    def _load(self, choice: ModelChoice) -> Loaded:
        self.may_load.wait(10.0)
        if self.fault is not None:
            raise self.fault
        return Loaded(self, choice.model, "")  # type: ignore[arg-type]


@pytest.fixture
async def editing(tmp_path: Path) -> AsyncIterator[Editing]:
    editing = Editing(tmp_path)
    yield editing
    editing.completer.cancel()
    editing.models.close()


async def test_of_the_places_where_the_cursor_rested_the_last_one_is_read(editing: Editing) -> None:
    editing.completer.look_ahead(URI, FIRST)
    await asyncio.sleep(0)
    editing.completer.look_ahead(URI, LAST)
    await editing.let_load()
    assert editing.read == ["b = "]


async def test_what_was_asked_in_vain_is_read(editing: Editing) -> None:
    """Also where a place was to be read before: who types is somewhere else."""
    editing.completer.look_ahead(URI, FIRST)
    assert await editing.completer.complete(Request(URI, LAST, Trigger.AUTOMATIC)) is None
    await editing.let_load()
    assert editing.read == ["b = "]


async def test_a_document_that_was_closed_meanwhile_is_not_read(editing: Editing) -> None:
    editing.completer.look_ahead(URI, FIRST)
    await asyncio.sleep(0)
    editing.completer.closed(URI)
    await editing.let_load()
    assert editing.read == []


@pytest.mark.parametrize("is_wanted_no_more", [False, True])
async def test_a_load_that_fails_is_not_told_by_who_waits_for_it(editing: Editing, is_wanted_no_more: bool) -> None:
    """Whatever it fails with: the worker tells it."""
    left = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left.append(context))
    editing.completer.look_ahead(URI, FIRST)
    await asyncio.sleep(0)
    if is_wanted_no_more:
        editing.completer.cancel()
    await editing.let_load(MemoryError("of no kind that was foreseen"))
    assert editing.worker.phase is Phase.FAILED and editing.read == []
    gc.collect()
    await asyncio.sleep(0)
    assert left == []
