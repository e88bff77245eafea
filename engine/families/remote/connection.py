"""HTTP to a server that the user has named. What comes back is data from a stranger: bounded, JSON, never a redirect.

A stream ends when a stop flag is set: the socket is shut down, which is what makes servers leave off.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from lacuna.engine.api import Stopped, Unreachable

CONNECT_SECONDS = 2.0
FIRST_BYTE_SECONDS = 30.0  # a long prompt on a slow machine; a server that loads a model says 503 at once
MOST_LINE = 1_000_000  # bytes
MOST_BYTES = 8_000_000  # of an answer
_POLL_SECONDS = 0.02  # how soon a stop flag is seen
_SHOWN = 200  # characters of what a server says that get into a message


class RemoteError(Unreachable):
    """The server cannot be reached, refuses, or says what nobody understands; the message says what to do."""

    def __init__(self, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status  # of HTTP; 0 where there was none
        self.retry_after = retry_after  # seconds that the server wants to be left alone


@dataclass(frozen=True)
class Reply:
    status: int
    values: Any  # of its JSON; None where it is none
    server: str = ""  # the header

    @property
    def is_ok(self) -> bool:
        return self.status == 200

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key) if isinstance(self.values, dict) else None


@dataclass(frozen=True)
class Address:
    """Where a server is, and the key for it."""

    url: str
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError for what is no address."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url[:_SHOWN]!r} is no address: one looks like http://127.0.0.1:8012")
        if parts.username or parts.password:
            raise ValueError("a key does not belong into the address: name its environment variable instead")
        _ = parts.port  # which may be no number

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def base(self) -> str:
        """The path before those of the API, without `/v1`."""
        return urlsplit(self.url).path.rstrip("/").removesuffix("/v1")


class Connection:
    """One request at a time; each opens its own socket."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tls = ssl.create_default_context() if address.url.startswith("https:") else None

    def get(self, path: str, seconds: float = CONNECT_SECONDS) -> Reply:
        """Raises RemoteError where nobody answers."""
        with self._asked("GET", path, None, seconds) as response:
            return _reply(response)

    def post(self, path: str, body: Mapping[str, object], seconds: float = FIRST_BYTE_SECONDS) -> Reply:
        """Raises RemoteError where nobody answers."""
        with self._asked("POST", path, body, seconds) as response:
            return _reply(response)

    def stream(self, path: str, body: Mapping[str, object], stop: Event | None = None) -> Generator[dict[str, Any]]:
        """The JSON objects of an answer as they come, as server-sent events or one a line. Whoever closes the iterator
        makes the server leave off. Raises RemoteError and Stopped."""
        with self._asked("POST", path, body, FIRST_BYTE_SECONDS, stop) as response:
            if response.status != 200:
                raise _refused(_reply(response), response)
            for found in _objects(response):
                yield found
                _check(stop)
            _check(stop)  # a socket that is shut down reads as an end

    @contextmanager
    def _asked(
        self, method: str, path: str, body: Mapping[str, object] | None, seconds: float, stop: Event | None = None
    ) -> Iterator[HTTPResponse]:
        connection = self._opened()
        done = Event()
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            if stop is not None:
                Thread(target=_watch, args=(connection.sock, stop, done), daemon=True).start()
            encoded = None if body is None else json.dumps(body, separators=(",", ":")).encode()
            connection.request(method, self.address.base + path, encoded, self._headers())
            yield connection.getresponse()
        except (OSError, HTTPException) as error:
            if stop is not None and stop.is_set():
                raise Stopped from error
            raise RemoteError(self._unreachable(error)) from error
        finally:
            done.set()
            _shut(connection.sock)
            connection.close()

    def _opened(self) -> HTTPConnection:
        parts = urlsplit(self.address.url)
        if self._tls is not None:
            return HTTPSConnection(self.address.host, parts.port, timeout=CONNECT_SECONDS, context=self._tls)
        return HTTPConnection(self.address.host, parts.port, timeout=CONNECT_SECONDS)

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.address.key}"} if self.address.key else {}
        return {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **key}

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLError):
            return f"{self.address.url} has no certificate that can be trusted: {error.reason or error}"
        if isinstance(error, TimeoutError):
            return f"{self.address.url} does not answer: is it busy, or is the address right?"
        return f"{self.address.url} cannot be reached ({error or type(error).__name__}): is the server running?"


def _check(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


def _watch(sock: socket.socket, stop: Event, done: Event) -> None:
    """Shuts a socket down when the stop flag is set, which frees whoever reads from it."""
    while not done.is_set():
        if stop.wait(_POLL_SECONDS):
            if not done.is_set():
                _shut(sock)
            return


def _shut(sock: socket.socket | None) -> None:
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is closed
            return


def _reply(response: HTTPResponse) -> Reply:
    read = response.read(MOST_BYTES)
    try:
        values = json.loads(read)
    except (ValueError, RecursionError):
        values = None
    return Reply(response.status, values, (response.getheader("Server") or "")[:_SHOWN])


def _objects(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    """Of `data:` lines or of bare ones; comments and blank lines are skipped."""
    left = MOST_BYTES
    while line := response.readline(MOST_LINE):
        left -= len(line)
        if left < 0 or (len(line) == MOST_LINE and not line.endswith(b"\n")):
            raise RemoteError("the server's answer has no end")
        text = line.strip().removeprefix(b"data:").strip()
        if text == b"[DONE]":
            return
        if text.startswith(b"{"):
            yield _object(text)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteError("the server's answer is no JSON") from error
    assert isinstance(found, dict), "it begins with a brace"
    if "error" in found and found["error"] is not None:
        raise RemoteError(f"the server says: {said(found)}")
    return found


def _refused(reply: Reply, response: HTTPResponse) -> RemoteError:
    if reply.status in (401, 403):
        return RemoteError("the server wants another key: name the environment variable that holds it", reply.status)
    after = response.getheader("Retry-After") or ""
    message = f"the server answers {reply.status}: {said(reply.values) or 'without a reason'}"
    return RemoteError(message, reply.status, float(after) if after.isdecimal() and len(after) < 5 else 0.0)


def said(values: Any) -> str:
    """What an answer has to say of an error, in any server's form."""
    if isinstance(values, dict):
        for key in ("error", "message", "detail"):
            if values.get(key):
                return said(values[key])
        return ""
    if isinstance(values, list):
        return said(values[0]) if values else ""
    return " ".join(str(values).split())[:_SHOWN] if values else ""
