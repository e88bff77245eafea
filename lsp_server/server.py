"""The language server as a process: one client on stdio, or many on TCP or at the daemon's socket, and one model of
each choice for all of them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from lacuna.engine.device import runtime
from lacuna.lsp_server import handlers, log
from lacuna.lsp_server.config import DEFAULTS, Config
from lacuna.lsp_server.daemon.place import Place
from lacuna.lsp_server.daemon.service import Daemon
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.watchdog import Watchdog
from lacuna.lsp_server.wire.tcp import Listener
from lacuna.lsp_server.wire.transport import Stdin, StdoutWriter, host_and_port

_log = logging.getLogger(__name__)


def serve(
    tcp: str | None = None,
    config: Config = DEFAULTS,
    allow_remote: bool = False,
    http: str | None = None,
    shows_all: bool = False,
) -> NoReturn:
    """Serve one client on stdin and stdout, or all that connect to `tcp`, or that ask `http`, a HOST:PORT.

    `config` holds where a client sets nothing. `allow_remote`: also at an address that other machines reach.
    `shows_all`: those on HTTP get also what is not sure enough to be shown unasked.

    Ends the process: with 0 if the client on stdio said goodbye, with 1 if it did not, and with 128 and the number
    of the signal where one ended it. Raises ValueError for an address that is none or that other machines reach, and
    OSError where it cannot listen.
    """
    runtime.prepare_environment()
    log.log_to_stderr(
        logging.WARNING if tcp is None and http is None else logging.DEBUG
    )  # an editor shows its client's log anyway
    models = Models()
    serving: Coroutine[Any, Any, int | None]
    if http is not None:
        from lacuna.lsp_server.endpoint.serve import serve as serve_http

        serving = serve_http(models, config, *host_and_port(http), allow_remote=allow_remote, shows_all=shows_all)
    elif tcp is None:
        serving = _serve_stdio(models, config)
    else:
        listener = Listener(lambda: create_server(models, config))
        serving = listener.serve(*host_and_port(tcp), allow_remote)
    asyncio.run(_serve_to_the_end(serving))
    raise AssertionError("the process ends before its event loop does")


def serve_daemon(place: Place, listens: Callable[[], None]) -> NoReturn:
    """Serve all editors of this user, at a place, until they have left. `listens` is called once they can connect. Ends
    the process."""
    runtime.prepare_environment()
    log.log_to_stderr(logging.WARNING)
    asyncio.run(_serve_to_the_end(Daemon(place, Models(), create_server).serve(listens)))
    raise AssertionError("the process ends before its event loop does")


def create_server(models: Models, config: Config = DEFAULTS) -> LacunaServer:
    """A server for one client, with all that it can be asked."""
    server = LacunaServer(models, config)
    for method, handler in handlers.FEATURES.items():
        # pygls' own of these keep a second copy of every document, and its lines are wrong after a form feed.
        if method in server.protocol.fm.builtin_features and method.startswith(("textDocument/", "notebookDocument/")):
            del server.protocol.fm.builtin_features[method]
        server.feature(method)(handler)
    for name, command in handlers.COMMANDS.items():
        server.command(name)(command)
    return server


async def _serve_stdio(models: Models, config: Config) -> int:
    watchdog = Watchdog()
    server, stdin = create_server(models, config), Stdin()
    server.protocol.told_process = watchdog.watch

    def leave() -> None:
        server.protocol.ended.set()
        stdin.end()

    await server.converse(stdin.reader, StdoutWriter(leave))
    return 0 if server.was_shut_down and not server.protocol.is_broken else 1


async def _serve_to_the_end(serving: Coroutine[Any, Any, int | None]) -> None:
    """Ends the process when `serving` is done, or a signal comes. Raises what `serving` does."""
    task = asyncio.ensure_future(serving)
    received: list[int] = []

    def stop(number: int, _frame: object) -> None:
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        code = await task
    except asyncio.CancelledError:
        code = 128 + received[0]  # as a shell says of a process that a signal has ended
    _end(code or 0)


def _end(code: int) -> NoReturn:
    """At once: sys.exit, and the end of the event loop, would wait for a model that loads or is being pulled."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
