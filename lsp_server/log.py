"""Where log records go: the client's log, and stderr. Never stdout, which is the protocol's, and never code."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable

_PACKAGES = ("lsp_server", "engine")


class ClientLog(logging.Handler):
    """Sends records to the editor; from any thread."""

    def __init__(self, send: Callable[[int, str], None]) -> None:
        super().__init__()
        self._send = send  # level, message
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send, record.levelno, self.format(record))


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


def add(handler: logging.Handler) -> None:
    for package in _PACKAGES:
        logging.getLogger(package).addHandler(handler)


def remove(handler: logging.Handler) -> None:
    for package in _PACKAGES:
        logging.getLogger(package).removeHandler(handler)


def set_level(name: str) -> None:
    """ "debug", "info", "warning" or "error"."""
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(name.upper())
