"""Ends a daemon from outside."""

from __future__ import annotations

from contextlib import suppress

import psutil

from lacuna.lsp_server.daemon.place import Info

SAME_S = 2.0  # seconds in which two creations are one: clocks are set


def kill(info: Info) -> None:
    """At once, if the process is the one that wrote this."""
    process = _process(info)
    if process is not None:
        with suppress(psutil.Error):  # it has just ended
            process.kill()


def is_alive(info: Info) -> bool:
    return _process(info) is not None


def _process(info: Info) -> psutil.Process | None:
    try:
        process = psutil.Process(info.process)
        return process if abs(process.create_time() - info.created) < SAME_S else None
    except psutil.Error:
        return None
