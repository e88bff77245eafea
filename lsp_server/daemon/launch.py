"""Finds the daemon, or starts it: one, however many ask at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from lacuna.lsp_server.daemon.dial import Connection, NoDaemon, Refused, call
from lacuna.lsp_server.daemon.place import Place

START_S = 15.0  # seconds in which it has to listen; then each editor has an engine of its own
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.2  # between two looks, doubled each time


def connected(place: Place, question: dict[str, Any]) -> Connection:
    """A connection to a daemon that answered a question. Raises NoDaemon."""
    try:
        return call(place, question)[0]
    except Refused:
        raise
    except NoDaemon:
        return _started(place, question)


def _started(place: Place, question: dict[str, Any]) -> Connection:
    from filelock import FileLock, Timeout  # who finds a daemon does without

    deadline, wait = time.monotonic() + START_S, _FIRST_WAIT_S
    lock = FileLock(place.lock, mode=0o600)
    while time.monotonic() < deadline:
        try:
            with lock.acquire(timeout=0):
                return _launched(place, question, deadline)
        except Timeout:  # another shim is at it
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
        except OSError as error:
            raise NoDaemon(f"it cannot be started: {error}") from error
        try:
            return call(place, question)[0]
        except Refused:
            raise
        except NoDaemon:
            continue
    raise NoDaemon(f"it did not start in {START_S:.0f} s; {place.log} may say why")


def _launched(place: Place, question: dict[str, Any], deadline: float) -> Connection:
    """Where nobody has started it meanwhile. Holds the lock. Raises NoDaemon and OSError."""
    try:
        return call(place, question)[0]
    except Refused:
        raise
    except NoDaemon:
        place.clear()  # what a killed one has left
    process, wait = _spawned(place), _FIRST_WAIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NoDaemon(f"it ended with {process.returncode}; {place.log} may say why")
        try:
            return call(place, question)[0]
        except Refused:
            raise
        except NoDaemon:
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
    raise NoDaemon(f"it did not listen in {START_S:.0f} s; {place.log} may say why")


def _spawned(place: Place) -> subprocess.Popen[bytes]:
    """Without a terminal, and with no file of the editor's."""
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lacuna.lsp_server.daemon", place.name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=flags,
        )
    finally:
        os.close(log)
