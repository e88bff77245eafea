"""Finds the daemon, or starts it: one, however many ask at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from lacuna.lsp_server.daemon.dial import Answered, NoDaemon, call
from lacuna.lsp_server.daemon.place import Place, made

START_S = 15.0  # seconds in which it has to listen; then each editor has an engine of its own
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.2  # between two looks, doubled each time


def connected(place: Place, question: dict[str, Any]) -> Answered:
    """A connection to a daemon that answered a question, and the answer. Raises NoDaemon and Refused."""
    try:
        return call(place, question)
    except NoDaemon:
        return _started(place, question)


def _started(place: Place, question: dict[str, Any]) -> Answered:
    from filelock import FileLock, Timeout  # who finds a daemon does without

    deadline, wait = time.monotonic() + START_S, _FIRST_WAIT_S
    while time.monotonic() < deadline:
        try:
            made(place.directory)  # somebody may have cleaned up
            with FileLock(place.lock, mode=0o600).acquire(timeout=0):
                return _launched(place, question)
        except Timeout:  # another shim is at it
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
        except OSError as error:
            raise NoDaemon(f"it cannot be started: {error}") from error
        try:
            return call(place, question)
        except NoDaemon:
            continue
    raise NoDaemon(f"it did not start in {START_S:.0f} s; {place.log} may say why")


def _launched(place: Place, question: dict[str, Any]) -> Answered:
    """Where nobody has started it meanwhile. Holds the lock. Raises NoDaemon, Refused and OSError."""
    try:
        return call(place, question)
    except NoDaemon:
        _end_what_is_there(place)
    process, deadline = _spawned(place), time.monotonic() + START_S
    while time.monotonic() < deadline:
        code = process.poll()
        if code:
            raise NoDaemon(f"it ended with {code}; {place.log} may say why")
        if code == 0 or not hasattr(os, "fork"):  # it listens, or this is the daemon itself
            try:
                return call(place, question)
            except NoDaemon:
                if code == 0:
                    raise
        time.sleep(_FIRST_WAIT_S)
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the daemon is not the process that was started
    process.kill()
    raise NoDaemon(f"it did not listen in {START_S:.0f} s; {place.log} may say why")


def _end_what_is_there(place: Place) -> None:
    """A daemon that did not answer, twice by now, and what a killed one has left: two would have a model each."""
    info = place.read_info()
    if info is not None:
        from lacuna.lsp_server.daemon.ending import kill

        kill(info)
    place.clear()


def _spawned(place: Place) -> subprocess.Popen[bytes]:
    """Without a terminal, and with no file of the editor's. Ends once the daemon listens."""
    with suppress(OSError):  # there is none, or it is still open on a system that minds
        place.log.replace(place.log.with_suffix(".log.1"))  # of one that may have crashed
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
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
