"""Where log records go: to the client they are about, and to stderr. Never to stdout, which is the protocol's, and
never code.

A record is about the client in whose task it was made (tasks hand on their context, and so does the engine's thread);
what is made while a model loads is about all clients that use it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PACKAGES = ("lacuna.lsp_server", "lacuna.engine")


class ClientLog(logging.Handler):
    """Sends records to one editor; from any thread."""

    def __init__(self, send: Callable[[int, str], None]) -> None:
        super().__init__(logging.WARNING)  # until the client's settings are known
        self._send = send  # level, message
        self._loop: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send, record.levelno, self.format(record))

    def set_level(self, name: str) -> None:
        """ "debug", "info", "warning" or "error": of this client alone."""
        self.setLevel(name.upper())
        _distribute.settle()

    @contextmanager
    def addressed(self) -> Iterator[None]:
        """What is logged here, and in all tasks that begin here, is about this client. Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        _distribute.clients.append(self)
        _distribute.settle()
        try:
            with Audience(self).addressed():
                yield
        finally:
            _distribute.clients.remove(self)
            _distribute.settle()


class Audience:
    """The clients that something is about; they may come and go."""

    def __init__(self, *members: ClientLog) -> None:
        self.members = members  # replaced, not changed: another thread may be reading it

    def join(self) -> None:
        """The client in whose task this is called belongs to it."""
        present = _audience.get()
        if present is not None:
            self.members = tuple({*self.members, *present.members})

    def leave(self) -> None:
        """The client in whose task this is called belongs to it no more."""
        present = _audience.get()
        if present is not None:
            self.members = tuple({*self.members} - {*present.members})

    @contextmanager
    def addressed(self) -> Iterator[None]:
        """What is logged here is about them."""
        token = _audience.set(self)
        try:
            yield
        finally:
            _audience.reset(token)


_audience: ContextVar[Audience | None] = ContextVar("audience", default=None)


class _Distributor(logging.Handler):
    """Gives every record to those that it is about, each at the level of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[ClientLog] = []

    def emit(self, record: logging.LogRecord) -> None:
        audience = _audience.get()
        for client in audience.members if audience is not None else ():
            if record.levelno >= client.level:
                client.handle(record)

    def settle(self) -> None:
        """Loggers let through what any client wants; without one they are as they were."""
        least = min((client.level for client in self.clients), default=logging.NOTSET)
        for package in _PACKAGES:
            logger = logging.getLogger(package)
            logger.setLevel(least)
            if self not in logger.handlers:
                logger.addHandler(self)


_distribute = _Distributor()


def log_to_stderr(level: int) -> None:
    """Records of at least this level, whatever their loggers let through, also go to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    silenced = logging.getLogger("pygls")  # it logs whole messages, code and all; its errors come to us besides
    silenced.propagate = False
    silenced.addHandler(logging.NullHandler())
    silenced.setLevel(logging.CRITICAL + 1)
