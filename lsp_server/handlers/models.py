"""Models: which there are, and pulling one while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from lacuna.engine.store.pull_error import PullError, PullStopped
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.model.auto import to_pull
from lacuna.lsp_server.model.model_choices import model_options
from lacuna.lsp_server.protocol import convert, names


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
    try:
        directory = await ls.pulls.pull(model, stop)
    except PullStopped as error:
        raise JsonRpcException(str(error), int(types.LSPErrorCodes.RequestCancelled)) from error
    except PullError as error:
        raise JsonRpcException(str(error), int(types.LSPErrorCodes.RequestFailed)) from error
    return {"model": model, "directory": str(directory)}


COMMANDS: dict[str, Callable[..., object]] = {
    names.MODELS: _models,
    names.PULL: _pull,
}
