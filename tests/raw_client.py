"""A client of bytes for tests: it can send what no editor would."""

from __future__ import annotations

import io
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

PATIENCE = 60.0  # seconds; nothing takes so long unless something is wrong
OFF = {"enabled": False}  # no model is wanted


def frame(content: object) -> bytes:
    """One message; bytes are sent as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def call(method: str, params: object = None, id: object = None) -> dict[str, object]:
    """A request, or without an id a notification."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if id is None else message | {"id": id}


def greeting(process_id: int | None = None, **options: object) -> bytes:
    """`initialize`, with id 0, and `initialized`."""
    params = {"processId": process_id, "capabilities": {}, "initializationOptions": {**OFF, **options}}
    return frame(call("initialize", params, 0)) + frame(call("initialized", {}))


class Answers:
    """What a server sends, read by a thread; what it tells of its own accord is left out."""

    def __init__(self, stream: BinaryIO) -> None:
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """The next answer; None where the stream has ended."""
        return self._queue.get(timeout=PATIENCE)

    def until(self, id: object) -> dict[str, Any]:
        """The answer to a request."""
        while (answer := self.next()) is not None:
            if answer["id"] == id:
                return answer
        raise AssertionError(f"the server ended, and {id} was not answered")

    def rest(self) -> list[dict[str, Any]]:
        """All answers until the end of the stream."""
        return list(iter(self.next, None))

    def _read(self, stream: BinaryIO) -> None:
        try:
            while (length := _length(stream)) is not None:
                message = json.loads(stream.read(length))
                if "method" not in message:
                    self._queue.put(message)
        except (OSError, ValueError):  # closed meanwhile
            pass
        self._queue.put(None)


def _length(stream: BinaryIO) -> int | None:
    length = None
    while header := stream.readline().strip():
        name, _, value = header.partition(b":")
        length = int(value) if name == b"Content-Length" else length
    return length


class Server(subprocess.Popen[bytes]):
    """`lacuna serve` as a process, on stdio."""

    def __init__(self, *arguments: str, command: list[str] | None = None, **options: Any) -> None:
        start = command or [sys.executable, "-P", "-m", "lacuna.lsp_server", "serve"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        super().__init__([*start, *arguments], bufsize=0, **pipes | options)
        readable = self.stdout if self.stdout is not None else io.BytesIO()
        self.answers = Answers(io.BufferedReader(readable))  # type: ignore[arg-type]
        self.errors = ""

    def send(self, *pieces: bytes | object) -> None:
        assert self.stdin is not None
        data = memoryview(b"".join(piece if isinstance(piece, bytes) else frame(piece) for piece in pieces))
        with suppress(BrokenPipeError):  # it has had enough
            while data:
                data = data[self.stdin.write(data) or 0 :]

    def greet(self, process_id: int | None = None, **options: object) -> dict[str, Any]:
        """Initialize it, and wait until it is."""
        self.send(greeting(process_id, **options))
        return self.answers.until(0)

    def ended(self, within: float = PATIENCE) -> int:
        """The exit code of a server that ends by itself."""
        code = self.wait(within)
        if self.stderr is not None:
            self.errors = self.stderr.read().decode()
        return code


@contextmanager
def serving(*arguments: str, **options: Any) -> Iterator[Server]:
    """A server process that is killed at the end if it is still there."""
    server = Server(*arguments, **options)
    try:
        yield server
    finally:
        server.kill()
        server.wait()
        for stream in (server.stdin, server.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def listening(*arguments: str, **environment: str) -> Iterator[tuple[tuple[str, int], str]]:
    """The address of a server process that listens, and the token that it printed."""
    with serving("--tcp", "127.0.0.1:0", *arguments, env={**os.environ, **environment}, stdin=None) as server:
        assert server.stderr is not None
        address, token = (server.stderr.readline().decode().strip() for _ in range(2))
        host, _, port = address.removeprefix("listening on ").rpartition(":")
        threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield (host, int(port)), token.removeprefix("token: ")


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[tuple[socket.socket, Answers]]:
    """A connection, with nothing said on it."""
    with socket.create_connection(address, PATIENCE) as connection, connection.makefile("rb") as stream:
        yield connection, Answers(stream)
        with suppress(OSError):  # it may be closed already
            connection.shutdown(socket.SHUT_RDWR)  # or closing would wait for the thread that reads


def until(condition: Any) -> None:
    """Wait for something to be true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)
