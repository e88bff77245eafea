"""Prefetch: while the engine is idle, the gap behind the suggestion that is shown is filled as if the suggestion had
been taken, and where the cursor rests both sides are read."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from lacuna.lsp_server.completion.suggester import Suggester
from lacuna.lsp_server.completion.type_through import Offer, TypeThrough
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.syntax_tree import NO_TREE
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.infill.suggestion import Reason, Suggestion
from lacuna.lsp_server.model.engine_thread import Urgency
from lacuna.lsp_server.model.loading import ModelError
from lacuna.lsp_server.telemetry.statistics import Outcome, Record

# After an answer: it goes out first, and a request that comes on its heels finds the engine free.
IDLE_SECONDS = 0.02
_BEFORE, _AFTER = 200, 50  # characters by which a place is known again

_log = logging.getLogger(__name__)


class Prefetch:
    """At most one gap at a time, and none twice in a row. What it finds goes into the type-through cache.

    Of the places where the cursor rested the last one is read, while the model is loading as soon as it is there.
    """

    def __init__(self, suggester: Suggester, type_through: TypeThrough) -> None:
        self._suggester = suggester
        self._type_through = type_through
        self._place: tuple[str, str, str] | None = None  # that was last looked at
        self._seeking: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._read_uri = ""  # of which document

    @property
    def is_reading(self) -> bool:
        """Whether a place where the cursor rested is read, or waits for the model."""
        return _is_at_work(self._reading)

    def follow(self, snapshot: Snapshot, suggestion: Suggestion) -> None:
        """`suggestion` is shown at the snapshot's cursor: fill the gap behind it, for when it is taken."""
        before = (snapshot.prefix(_BEFORE) + suggestion.text)[-_BEFORE:]
        after = snapshot.suffix(suggestion.replaced + _AFTER)[suggestion.replaced :]
        if (snapshot.uri, before, after) != self._place:
            self.stop()
            self._place = (snapshot.uri, before, after)
            self._seeking = asyncio.create_task(self._seek(snapshot, suggestion))

    def read(self, snapshot: Snapshot) -> None:
        """The cursor rests there. A gap that is looked for already is more, and goes on."""
        if not _is_at_work(self._seeking):
            self.stop()
            self._read_uri, self._reading = snapshot.uri, asyncio.create_task(self._read(snapshot))

    def closed(self, uri: str) -> None:
        """A document was closed: whatever is kept of it would never be forgotten."""
        if self._reading is not None and uri == self._read_uri:
            self._reading.cancel()

    def stop(self) -> None:
        """The engine is wanted for something else."""
        if self._reading is not None:
            self._reading.cancel()
        if self._seeking is not None and _is_at_work(self._seeking):
            self._seeking.cancel()
            self._place = None

    async def _seek(self, snapshot: Snapshot, suggestion: Suggestion) -> None:
        await asyncio.sleep(IDLE_SECONDS)
        taken = _taken(snapshot, suggestion)
        if self._type_through.find(taken) is not None:
            return
        record = Record("prefetch", taken.version)
        try:
            found = await self._suggester.suggest(taken, Trigger.AUTOMATIC, record, urgency=Urgency.PREFETCH)
        except ModelError as error:
            _log.warning("prefetch: %s", error)
            return
        if isinstance(found, Outcome | Reason):
            record.outcome = found
        else:
            record.outcome = Outcome.SHOWN
            self._type_through.put(taken, Offer(found, invoked=False))
        _log.debug("%s", record)

    async def _read(self, snapshot: Snapshot) -> None:
        start = time.perf_counter()
        try:
            await self._suggester.prefill(snapshot)
        except ModelError as error:
            _log.warning("prefill: %s", error)
        else:
            _log.debug("prefill of version %d: %.0f ms", snapshot.version, (time.perf_counter() - start) * 1000.0)


def _is_at_work(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()


def _taken(snapshot: Snapshot, suggestion: Suggestion) -> Snapshot:
    """The document after the suggestion was taken, the cursor behind it."""
    if suggestion.replaced:  # two edits, and a tree is only kept through one
        end = Place(snapshot.line, snapshot.column + suggestion.replaced)
        snapshot = replace(snapshot, text=snapshot.text.replace(snapshot.place, end, ""), parsed=NO_TREE)
    return snapshot.insert(suggestion.text)
