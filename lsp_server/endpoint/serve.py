"""Serves the endpoint, for as long as the process lasts."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from lacuna.lsp_server.config import Config
from lacuna.lsp_server.endpoint.app import Endpoint
from lacuna.lsp_server.endpoint.filling import Filling
from lacuna.lsp_server.endpoint.guard import Guard
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.wire.tcp import TOKEN, NotLoopback, require_loopback

MOST_AT_ONCE = 64  # connections
KEEP_ALIVE_SECONDS = 30


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


class _Server(uvicorn.Server):
    """Signals are the process' own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
