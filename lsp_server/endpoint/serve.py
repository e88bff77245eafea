"""Serves the endpoint, for as long as the process lasts."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lacuna.lsp_server.config import Config
from lacuna.lsp_server.endpoint.app import Endpoint
from lacuna.lsp_server.endpoint.filling import Filling
from lacuna.lsp_server.endpoint.guard import Guard
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.wire.tcp import TOKEN, NotLoopback, require_loopback

MOST_AT_ONCE = 64  # connections
KEEP_ALIVE_SECONDS = 30
REQUEST_SECONDS = 10.0  # that the first request of a connection may take to arrive


async def serve(
    models: Models, config: Config, host: str, port: int, *, allow_remote: bool = False, shows_all: bool = False
) -> None:
    """Until this is cancelled. Raises OSError where it cannot listen, and NotLoopback unless `allow_remote`; then
    clients have to show a token."""
    token = os.environ.get(TOKEN, "")
    try:
        await require_loopback(host, port)
        is_remote = False
    except NotLoopback:
        if not allow_remote:
            raise
        is_remote, token = True, token or secrets.token_urlsafe(32)
    worker = models.lease(config.model_choice)
    endpoint = Endpoint(worker, Filling(worker, config, shows_all))
    settings = uvicorn.Config(
        Guard(endpoint.app(), token, is_remote),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        http=Impatient,
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        print("listening on http://{}:{}".format(*listening.getsockname()), file=sys.stderr)
        if token:
            print(f"token: {f'that of {TOKEN}' if os.environ.get(TOKEN) else token}", file=sys.stderr)
        sys.stderr.flush()
        await _Server(settings).serve([listening])


class Impatient(H11Protocol):
    """Clients that send no whole request in time are turned away: they would take the place of others."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As of an asyncio.Protocol."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """As above."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """As above."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is not None and not self._is_half:
            self._waiting.cancel()
            self._waiting = None
        elif self._waiting is None and self._is_half:
            self._waiting = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_half and not self.transport.is_closing():
            self.transport.abort()

    @property
    def _is_half(self) -> bool:
        """Whether the rest of a request is waited for: of the first one, of a body, or of the next one."""
        if self.cycle is None or self.cycle.more_body:
            return True
        return bool(self.cycle.response_complete and self.conn.trailing_data[0])


class _Server(uvicorn.Server):
    """Signals are the process' own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
