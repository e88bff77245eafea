"""Bytes in and out: stdin and stdout, kept clear of anything that prints, as asyncio streams."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from threading import Event, Thread

CHUNK = 1 << 16  # bytes


class Stdin:
    """Stdin as `reader`, read by a thread of its own, and no faster than what was read is taken up.

    The thread must not keep a process alive that is asked to end, so it is a daemon and takes no lock of sys.stdin's.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._may_read, self._is_paused, self._has_ended = Event(), False, False
        self.reader = asyncio.StreamReader()
        self.reader.set_transport(self)  # type: ignore[arg-type]  # two methods of a transport are all it asks for
        Thread(target=self._pump, name="stdin", daemon=True).start()

    def end(self) -> None:
        """As if the stream had ended here."""
        if not self._has_ended:
            self._has_ended = True
            self.reader.feed_eof()

    def pause_reading(self) -> None:
        """The reader holds more than enough."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """The reader has room again."""
        self._is_paused = False
        self._may_read.set()

    def _pump(self) -> None:
        while chunk := _read(sys.stdin.fileno()):
            self._may_read.clear()
            if not _tell(self._loop, self._feed, chunk):
                return
            self._may_read.wait()
        _tell(self._loop, self.end)

    def _feed(self, chunk: bytes) -> None:
        if not self._has_ended:
            self.reader.feed_data(chunk)
        if not self._is_paused:
            self._may_read.set()


class StdoutWriter:
    """Stdout, for the protocol alone: whatever else prints, also from C, prints to stderr from now on.

    Writing waits until the client reads: that is what keeps a client from asking for more than it reads.
    """

    def __init__(self, client_is_gone: Callable[[], None]) -> None:
        self._stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._client_is_gone = client_is_gone

    def write(self, data: bytes) -> None:
        try:
            self._stdout.write(data)
            self._stdout.flush()
        except OSError:  # a broken pipe, a full disk: nobody reads it
            self._client_is_gone()

    def close(self) -> None:
        self._stdout.close()


def host_and_port(address: str) -> tuple[str, int]:
    """`"127.0.0.1:7777"` or `"[::1]:7777"`. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, as in 127.0.0.1:7777")
    return host.strip("[]"), int(port)


def _read(stream: int) -> bytes:
    try:
        return os.read(stream, CHUNK)
    except OSError:  # a terminal that was hung up
        return b""


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: bytes) -> bool:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop has ended meanwhile
        return False
    return True
