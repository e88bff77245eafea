"""The language server as a process: one client on stdio, or many on TCP, and one model for all of them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import NoReturn

from engine import runtime
from lsp_server import handlers, log
from lsp_server.config import DEFAULTS, Config
from lsp_server.language_server import LacunaServer
from lsp_server.transport import StdoutWriter, host_and_port, stdin_reader
from lsp_server.worker import Worker


def serve(tcp: str | None = None, config: Config = DEFAULTS) -> NoReturn:
    """Serve one client on stdin and stdout, or all that connect to `tcp`, a HOST:PORT, with one model for all of them.

    `config` holds where a client sets nothing.

    Ends the process, with 0 if the client on stdio said goodbye. Raises ValueError for an address that is none, and
    OSError where it cannot listen.
    """
    runtime.prepare_environment()
    log.log_to_stderr(logging.WARNING if tcp is None else logging.DEBUG)  # an editor shows its client's log anyway
    worker = Worker()
    try:
        serving = _serve_stdio(worker, config) if tcp is None else _serve_tcp(worker, config, *host_and_port(tcp))
        code = asyncio.run(serving)
    except KeyboardInterrupt:
        code = 130  # as a shell says of a process that was interrupted
    logging.shutdown()
    os._exit(code)  # sys.exit would wait for the model that may be loading in the engine's thread


async def _serve_stdio(worker: Worker, config: Config) -> int:
    server = create_server(worker, config)
    await server.converse(stdin_reader(), StdoutWriter(server.protocol.ended.set))
    return 0 if server.was_shut_down else 1


async def _serve_tcp(worker: Worker, config: Config, host: str, port: int) -> int:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await create_server(worker, config).converse(reader, writer)
        writer.close()

    listening = await asyncio.start_server(talk, host, port)
    for socket in listening.sockets:
        print("listening on {}:{}".format(*socket.getsockname()), file=sys.stderr, flush=True)
    await listening.serve_forever()
    return 0


def create_server(worker: Worker, config: Config = DEFAULTS) -> LacunaServer:
    """A server for one client, with all that it can be asked."""
    server = LacunaServer(worker, config)
    for method, handler in handlers.FEATURES.items():
        # pygls' own of these keep a second copy of every document, and its lines are wrong after a form feed.
        if method in server.protocol.fm.builtin_features and method.startswith(("textDocument/", "notebookDocument/")):
            del server.protocol.fm.builtin_features[method]
        server.feature(method)(handler)
    for name, command in handlers.COMMANDS.items():
        server.command(name)(command)
    return server
