"""One client's settings, documents and requests, and what the server tells it of its own accord."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import time
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lacuna.lsp_server import log
from lacuna.lsp_server.completion.completer import Completer
from lacuna.lsp_server.completion.frames import Frames, Picture
from lacuna.lsp_server.completion.item_shape import ItemShape
from lacuna.lsp_server.completion.request import Item, Request
from lacuna.lsp_server.config import Config
from lacuna.lsp_server.documents.idle_parsing import IdleParsing
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.model.auto import AUTO
from lacuna.lsp_server.model.lifecycle import ModelLifecycle, State, Status
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.protocol import convert, names
from lacuna.lsp_server.pulls import Pulls
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.acceptance import Acceptance
from lacuna.lsp_server.telemetry.daily_counts import DailyCounts, default_path
from lacuna.lsp_server.telemetry.statistics import Statistics
from lacuna.lsp_server.wire.json_rpc import Protocol

if TYPE_CHECKING:
    from pygls.io_ import AsyncWriter, Writer

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class LacunaServer(LanguageServer):
    """One client's settings, documents and requests."""

    protocol: Protocol

    def __init__(self, models: Models, config: Config) -> None:
        """`config` holds where the client sets nothing."""
        version = importlib.metadata.version("lacuna")
        super().__init__("lacuna", version, notebook_document_sync=convert.NOTEBOOK_SYNC, protocol_cls=Protocol)
        self._served_model = config.model  # what "auto" leaves the choice to
        self.config = self.initial_config = config
        self.environment: Mapping[str, str] = os.environ  # the client's, which a daemon does not share
        self.initial_problems: list[str] = []
        self.documents = DocumentStore()
        self.daily_counts = DailyCounts(default_path())
        self.statistics = Statistics(self.daily_counts)
        self.acceptance = Acceptance(self.documents, self.statistics)
        self.frames = Frames(self._tell_frame)
        self.lifecycle = ModelLifecycle(models, self._tell)
        setup = Setup.of(config, self.lifecycle.worker)
        self.completer = Completer(self.documents, setup, self.statistics, self.acceptance, self.frames)
        self.item_shape = ItemShape.CURSOR  # of ghost text
        self.asks_completions = False  # the client shows what is suggested at the cursor
        self.edits = EditSuggestions(self.documents, setup)
        self.pulls = Pulls(self)
        self.was_shut_down = False
        self._log = log.ClientLog(self._log_message)
        self._sync_ms = 0.0  # what the last change of a document took
        self._shown: set[str] = set()
        self._parsing = IdleParsing(self.documents, lambda: self.completer.is_busy)

    async def converse(self, reader: asyncio.StreamReader, writer: AsyncWriter | Writer) -> None:
        """Serve the client until it leaves."""
        self.protocol.set_writer(writer)
        with self._log.addressed():
            try:
                await self.protocol.converse(reader, writer)
            except ConnectionError:
                _log.info("the client is gone")
            finally:
                self._stop()

    def apply(self, config: Config, problems: Sequence[str]) -> None:
        """From now on by these settings; `problems` says what was wrong with what was sent."""
        self._log.set_level(config.log_level)
        for problem in problems:
            _log.warning("settings: %s", problem)
            self.show(f"Lacuna: {problem}", types.MessageType.Warning)
        if config.model == AUTO:
            config = replace(config, model=self._served_model)
        self.config = config
        self.daily_counts.switch(config.statistics)
        if config.enabled:
            self.lifecycle.load(config.model_choice.within(self.environment))
        else:
            self.lifecycle.unload()
        setup = Setup.of(config, self.lifecycle.worker)
        self.completer.configure(setup)
        self.edits.configure(setup)

    async def complete(self, request: Request) -> list[Item] | None:
        """Suggestions; None where that cannot be said, also where the model fails: the status tells why."""
        return await self.at_work(self.completer.complete(request, self._sync_ms))

    async def at_work(self, work: Awaitable[Result]) -> Result | None:
        """What the model makes of some work; None where it fails: the status tells why."""
        self.lifecycle.retry()
        with self.lifecycle.at_work():
            return await work
        return None

    def changed(self, start: float) -> None:
        """Documents were opened, changed or closed since `start`, a time.perf_counter()."""
        self._sync_ms = (time.perf_counter() - start) * 1000.0
        self.edits.notice()
        self._parsing.wake()

    def show(self, message: str, kind: types.MessageType) -> None:
        """A message that a user has to see, and need not see twice."""
        if message not in self._shown:
            self._shown.add(message)
            self.window_show_message(types.ShowMessageParams(kind, message))

    def report_server_error(self, error: Exception, source: object) -> None:
        """Where pygls reports what went wrong. An error's message may quote the document, so it is left out."""
        data = getattr(error, "data", None)
        trace = data["traceback"] if isinstance(data, dict) else traceback.format_tb(error.__traceback__)
        kind = error.message.partition(":")[0] if isinstance(error, JsonRpcException) else type(error).__name__
        _log.error("%s\n%s", kind, "".join(trace))

    def _stop(self) -> None:
        self.completer.cancel()
        self.edits.cancel()
        self.lifecycle.stop()
        self.pulls.stop()
        self._parsing.stop()
        self.acceptance.stop()
        self.daily_counts.close()

    def _tell(self, status: Status) -> None:
        self.protocol.notify(names.STATUS, {"state": status.state.value, "message": status.message})
        self.protocol.notify(names.COPILOT_STATUS, convert.copilot_status(status.state.value, status.message))
        if self.config.engine_url:
            return  # a server that goes away comes back: the status is enough
        if status.state is State.ERROR and not self.pulls.offer(self.config.model, status.message):
            self.show(f"Lacuna: {status.message}", types.MessageType.Error)

    def _tell_frame(self, picture: Picture) -> None:
        self.protocol.notify(names.FRAMES, convert.frames(picture))

    def _log_message(self, level: int, message: str) -> None:
        if not self.protocol.ended.is_set():
            self.window_log_message(convert.log_message(level, message))
