"""Pulling models while the server runs: because the client asks for it, or says yes where there is none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from lacuna.engine.store import model_store
from lacuna.engine.store.pull_error import PullError, PullStopped
from lacuna.lsp_server.model.auto_loading import missing
from lacuna.lsp_server.model.pull_progress import PullProgress
from lacuna.lsp_server.protocol import convert

if TYPE_CHECKING:
    from lacuna.lsp_server.language_server import LacunaServer

PULL, NOT_NOW = "Pull It", "Not Now"
LOGGED_STEP = 10  # per cent between two lines of the log, for clients that show no progress

_log = logging.getLogger(__name__)
_tokens = count(1)


class Pulls:
    """One client's. Nothing is fetched that nobody has asked for or agreed to."""

    def __init__(self, ls: LacunaServer) -> None:
        self._ls = ls
        self._offered: set[str] = set()
        self._offers: set[asyncio.Task[None]] = set()  # questions, and what their answers began
        self._stops: set[Event] = set()  # of all that is being pulled

    async def pull(self, model: str, stop: Event) -> Path:
        """Where the model is now; it is loaded if it was missing. Raises PullError."""
        self._stops.add(stop)
        try:
            async with self._shown(model, stop) as tell:
                directory = await asyncio.to_thread(model_store.pull, model, PullProgress(tell), stop)
        finally:
            self._stops.remove(stop)
        self._ls.lifecycle.look_again(model)
        return directory

    def offer(self, model: str, fault: str) -> bool:
        """The model of the setting `model` cannot be loaded, as `fault` says. If it is one that can be pulled and is
        not there, the user is asked once whether to; False where nobody can be asked, or a pull would not help."""
        name = missing(model)
        if name is None or f"`lacuna pull {name}`" not in fault:  # there may be no such device, say
            return False
        if not convert.shows_questions(self._ls.client_capabilities):
            return False
        if name not in self._offered:
            self._offered.add(name)
            asking = asyncio.create_task(self._ask(name, fault))
            self._offers.add(asking)
            asking.add_done_callback(self._offers.discard)
        return True

    def stop(self) -> None:
        """The client has left: nobody waits for what it asked for."""
        for stop in self._stops:
            stop.set()
        for asking in self._offers:
            asking.cancel()

    async def _ask(self, name: str, fault: str) -> None:
        try:
            is_wanted = await self._is_wanted(name)
        except JsonRpcException as error:  # a client that takes questions, and not this one
            _log.warning("the client cannot be asked whether to pull %s: %s", name, error)
            self._ls.show(f"Lacuna: {fault}", types.MessageType.Error)
            return
        if not is_wanted:
            _log.info("%s was not pulled: run `lacuna pull %s` whenever you want it", name, name)
            return
        try:
            await self.pull(name, Event())
        except PullStopped as error:
            _log.info("%s: %s", name, error)
        except PullError as error:
            self._ls.show(f"Lacuna: {error}", types.MessageType.Error)

    async def _is_wanted(self, name: str) -> bool:
        """What the user says. Raises JsonRpcException where the client answers with an error."""
        known = model_store.NAMED_MODELS.get(name)
        size = "" if known is None else f" ({known.size / 1e6:,.0f} MB, once)"
        question = f"Lacuna: the model {name} is not on this machine yet. Pull it{size}?"
        actions = [types.MessageActionItem(PULL), types.MessageActionItem(NOT_NOW)]
        params = types.ShowMessageRequestParams(types.MessageType.Info, question, actions)
        answer = await self._ls.window_show_message_request_async(params)
        return answer is not None and answer.title == PULL

    @asynccontextmanager
    async def _shown(self, model: str, stop: Event) -> AsyncIterator[Callable[[int, str], None]]:
        """Gives what to tell a percentage and a message, which the client shows if it can; else they are logged."""
        token, progress = f"lacuna.pull/{next(_tokens)}", self._ls.work_done_progress
        if not await self._takes_progress(token):
            yield _logged(model)
            return
        progress.tokens[token].add_done_callback(lambda _: stop.set())  # done is what the client has cancelled
        title = f"Lacuna: pulling {model}"
        progress.begin(token, types.WorkDoneProgressBegin(title=title, percentage=0, cancellable=True))
        try:
            yield lambda percentage, message: progress.report(
                token, types.WorkDoneProgressReport(message=message, percentage=percentage)
            )
        finally:
            progress.end(token, types.WorkDoneProgressEnd())
            del progress.tokens[token]

    async def _takes_progress(self, token: str) -> bool:
        """Whether the client shows progress by this token."""
        if not convert.shows_progress(self._ls.client_capabilities):
            return False
        try:
            await self._ls.work_done_progress.create_async(token)
        except JsonRpcException as error:
            _log.warning("the client shows no progress: %s", error)
            return False
        return True


def _logged(model: str) -> Callable[[int, str], None]:
    logged = -LOGGED_STEP

    def tell(percentage: int, message: str) -> None:
        nonlocal logged
        if percentage >= logged + LOGGED_STEP:
            logged = percentage
            _log.info("pulling %s: %d %%, %s", model, percentage, message)

    return tell
