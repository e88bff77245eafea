"""Models: which there are, and pulling one while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from threading import Event

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from lacuna.engine.store import model_store
from lacuna.engine.store.pull_error import PullError
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.model.auto import to_pull
from lacuna.lsp_server.model.model_choices import model_options
from lacuna.lsp_server.model.pull_progress import PullProgress
from lacuna.lsp_server.protocol import convert, names

LOGGED_STEP = 10  # per cent between two lines of the log, for clients that show no progress

_log = logging.getLogger(__name__)
_tokens = count(1)


async def _models(ls: LacunaServer) -> list[dict[str, object]]:
    return [convert.model_option(option) for option in await asyncio.to_thread(model_options, ls.config.model)]


async def _pull(ls: LacunaServer, *arguments: str | None) -> dict[str, str]:
    """The model that is named, or else that of the settings."""
    if not all(argument is None or isinstance(argument, str) for argument in arguments):
        raise JsonRpcInvalidParams("a model's name is a text")
    model = to_pull(next(filter(None, arguments), ls.config.model))
    stop = Event()
    # pygls cancels the request alone, and not the command that works for it.
    asked = ls.protocol._request_futures.get(ls.protocol._ctx_msg_id.get() or 0)
    if asked is not None:
        asked.add_done_callback(lambda _: stop.set())
    async with _shown(ls, model) as tell:
        try:
            directory = await asyncio.to_thread(model_store.pull, model, PullProgress(tell), stop)
        except PullError as error:
            raise JsonRpcException(str(error), int(types.LSPErrorCodes.RequestFailed)) from error
    ls.lifecycle.look_again(model)
    return {"model": model, "directory": str(directory)}


@asynccontextmanager
async def _shown(ls: LacunaServer, model: str) -> AsyncIterator[Callable[[int, str], None]]:
    """Gives what to tell a percentage and a message, which the client shows if it can; else they are logged."""
    if not convert.shows_progress(ls.client_capabilities):
        yield _logged(model)
        return
    token, progress = f"lacuna.pull/{next(_tokens)}", ls.work_done_progress
    await progress.create_async(token)
    progress.begin(token, types.WorkDoneProgressBegin(title=f"Lacuna: pulling {model}", percentage=0))
    try:
        yield lambda percentage, message: progress.report(
            token, types.WorkDoneProgressReport(message=message, percentage=percentage)
        )
    finally:
        progress.end(token, types.WorkDoneProgressEnd())


def _logged(model: str) -> Callable[[int, str], None]:
    logged = -LOGGED_STEP

    def tell(percentage: int, message: str) -> None:
        nonlocal logged
        if percentage >= logged + LOGGED_STEP:
            logged = percentage
            _log.info("pulling %s: %d %%, %s", model, percentage, message)

    return tell


COMMANDS: dict[str, Callable[..., object]] = {
    names.MODELS: _models,
    names.PULL: _pull,
}
