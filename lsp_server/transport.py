"""Bytes in and out: stdin and stdout, kept clear of anything that prints, as asyncio streams."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from threading import Thread

CHUNK = 1 << 16  # bytes


def stdin_reader() -> asyncio.StreamReader:
    """Stdin, read by a thread of its own.

    The thread must not keep a process alive that is asked to end, so it is a daemon and takes no lock of sys.stdin's.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()

    def pump() -> None:
        while chunk := os.read(sys.stdin.fileno(), CHUNK):
            if not _tell(loop, reader.feed_data, chunk):
                return
        _tell(loop, reader.feed_eof)

    Thread(target=pump, name="stdin", daemon=True).start()
    return reader


class Paced:
    """A reader that lets everybody else do something before each line.

    So a request is taken up before the next message is read: it has to see the text as it was then.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        await asyncio.sleep(0)
        return await self._reader.readline()

    async def readexactly(self, count: int) -> bytes:
        return await self._reader.readexactly(count)


class StdoutWriter:
    """Stdout, for the protocol alone: whatever else prints, also from C, prints to stderr from now on."""

    def __init__(self, client_is_gone: Callable[[], None]) -> None:
        self._stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._client_is_gone = client_is_gone

    def write(self, data: bytes) -> None:
        try:
            self._stdout.write(data)
            self._stdout.flush()
        except BrokenPipeError:
            self._client_is_gone()

    def close(self) -> None:
        self._stdout.close()


def host_and_port(address: str) -> tuple[str, int]:
    """`"127.0.0.1:7777"` or `"[::1]:7777"`. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT, as in 127.0.0.1:7777")
    return host.strip("[]"), int(port)


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: bytes) -> bool:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:  # the loop has ended meanwhile
        return False
    return True
