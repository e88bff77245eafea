"""Clients on TCP: who may connect, from where, and for how long they may stay silent."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable

from lacuna.lsp_server.language_server import LacunaServer

TOKEN = "LACUNA_TOKEN"  # environment variable
MAX_CLIENTS = 64  # connections at a time
GREETING_S = 30.0  # seconds from the connection until `initialize`, with the token
GOODBYE_S = 2.0  # seconds that conversations have to end in when the process ends

_log = logging.getLogger(__name__)


class NotLoopback(ValueError):
    """An address that other machines reach."""


class Listener:
    """Serves whoever connects and shows the token, in `initializationOptions.token`."""

    def __init__(self, create: Callable[[], LacunaServer]) -> None:
        """`create` makes a server for one client."""
        self._create = create
        self._token = os.environ.get(TOKEN) or secrets.token_urlsafe(32)
        self._talks: set[asyncio.Task[None]] = set()

    async def serve(self, host: str, port: int, allow_remote: bool = False) -> None:
        """Until this is cancelled. Raises OSError where it cannot listen, and NotLoopback unless `allow_remote`."""
        if not allow_remote:
            await require_loopback(host, port)
        listening = await asyncio.start_server(self._accept, host, port)
        for one in listening.sockets:
            print("listening on {}:{}".format(*one.getsockname()), file=sys.stderr)
        shown = f"that of {TOKEN}" if os.environ.get(TOKEN) else self._token
        print(f"token: {shown}", file=sys.stderr, flush=True)
        try:
            await listening.serve_forever()
        finally:
            for talk in self._talks:
                talk.cancel()
            if self._talks:
                await asyncio.wait(self._talks, timeout=GOODBYE_S)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._talks) >= MAX_CLIENTS:
            _log.error("a connection was turned away: there are %d already", MAX_CLIENTS)
            writer.transport.abort()
            return
        talk = asyncio.current_task()
        assert talk is not None, "asyncio makes a task of every connection"
        self._talks.add(talk)
        try:
            await self._talk(reader, writer)
        finally:
            self._talks.discard(talk)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = self._create()
        server.protocol.token = self._token

        def give_up() -> None:
            if not server.protocol.is_initialized:
                _log.error("a connection was closed: no `initialize` came in %.0f s", GREETING_S)
                writer.transport.abort()

        deadline = asyncio.get_running_loop().call_later(GREETING_S, give_up)
        try:
            await server.converse(reader, writer)
        finally:
            deadline.cancel()
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), GOODBYE_S)
    except (OSError, TimeoutError):  # it is gone, or does not read what is left
        writer.transport.abort()


async def require_loopback(host: str, port: int) -> None:
    """Raises NotLoopback for an address that other machines reach."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise NotLoopback(f"{host} can be reached from other machines; --allow-remote if you mean it")
