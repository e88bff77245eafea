"""HTTP to a server that the user has named. What comes back is data from a stranger: bounded, JSON, never a redirect.

A stream ends when a stop flag is set: the socket is shut down, which is what makes servers leave off.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

from lacuna.engine.api import Stopped, Unreachable

CONNECT_SECONDS = 2.0
GET_SECONDS = 2.0  # for all of an answer
ANSWER_SECONDS = 60.0  # a long prompt on a slow machine; a server that loads a model says 503 at once
MOST_LINE = 1_000_000  # bytes
MOST_BYTES = 8_000_000  # of an answer
_POLL_SECONDS = 0.02  # how soon a stop flag is seen
_SHOWN = 200  # characters of what a server says that get into a message


class RemoteError(Unreachable):
    """The server cannot be reached, refuses, or says what nobody understands; the message says what to do."""

    def __init__(
        self, message: str, status: int = 0, retry_after: float = 0.0, said: str = "", is_late: bool = False
    ) -> None:
        super().__init__(message)
        self.is_late = is_late  # it was given up: it took longer than it was given
        self.said = said  # by the server: it may quote what it was sent, so it is in no log
        self.status = status  # of HTTP; 0 where there was none
        self.retry_after = retry_after  # seconds that the server wants to be left alone


@dataclass(frozen=True)
class Reply:
    status: int
    values: Any  # of its JSON; None where it is none

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
        """Raises ValueError for what is no address, without a word of it: there may be a key in it."""
        if any(sign in self.url for sign in "@?#") or not self.url.isprintable():
            raise ValueError("`engine_url` is an address alone; a key belongs into an environment variable")
        try:
            parts = urlsplit(self.url)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            is_one = False
        if not is_one:
            raise ValueError("`engine_url` is no address: one looks like http://127.0.0.1:8012")

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
        """The path before those of the API, without `/v1` and `/beta`."""
        return urlsplit(self.url).path.rstrip("/").removesuffix("/v1").removesuffix("/beta")


class Connection:
    """One request at a time; each opens its own socket."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tls = ssl.create_default_context() if address.url.startswith("https:") else None

    def get(self, path: str, model: str = "") -> Reply:
        """Of one model, where it is named. Raises RemoteError where nobody answers."""
        asked = f"{path}?{urlencode({'model': model})}" if model else path
        with self._asked("GET", asked, None, GET_SECONDS) as response:
            return _reply(response)

    def post(self, path: str, body: Mapping[str, object]) -> Reply:
        """Raises RemoteError where nobody answers."""
        with self._asked("POST", path, body, ANSWER_SECONDS) as response:
            return _reply(response)

    def stream(
        self, path: str, body: Mapping[str, object], stop: Event | None = None, seconds: float = 0.0
    ) -> Generator[dict[str, Any]]:
        """The JSON objects of an answer as they come, as server-sent events or one a line, all of them within so many
        seconds (0: `ANSWER_SECONDS`). Whoever closes the iterator makes the server leave off. Raises RemoteError and
        Stopped."""
        with self._asked("POST", path, body, seconds or ANSWER_SECONDS, stop) as response:
            if response.status != 200:
                raise _refused(_reply(response), response)
            for found in _objects(response):
                yield found
                _check(stop)

    @contextmanager
    def _asked(
        self, method: str, path: str, body: Mapping[str, object] | None, seconds: float, stop: Event | None = None
    ) -> Iterator[HTTPResponse]:
        """The answer's head, and then its body, all within so many seconds."""
        _check(stop)
        connection, watch = self._opened(), _Watch(stop, seconds)
        try:
            connection.connect()
            sock = connection.sock  # which http.client forgets where the server closes it
            sock.settimeout(seconds)
            watch.begin(sock)
            encoded = None if body is None else json.dumps(body, separators=(",", ":")).encode()
            connection.request(method, self.address.base + path, encoded, self._headers())
            response = connection.getresponse()
            try:
                yield response
            finally:
                watch.end()
                response.close()
            watch.check()  # a socket that was shut down reads as an end
        except RemoteError:
            watch.check()  # half of an answer is none
            raise
        except (OSError, HTTPException, ValueError) as error:
            watch.check()
            raise RemoteError(self._unreachable(error)) from error
        finally:
            watch.end()
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
        if isinstance(error, ValueError):  # its text may quote what was to be sent
            return f"{self.address.url} cannot be asked so"
        if not isinstance(error, OSError):  # its text may quote what came
            return f"{self.address.url} does not speak HTTP: is the address right?"
        if isinstance(error, TimeoutError):
            return f"{self.address.url} does not answer: is it busy, or is the address right?"
        return f"{self.address.url} cannot be reached ({str(error) or type(error).__name__}): is the server running?"


def _check(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


class _Watch:
    """Shuts a socket down when the stop flag is set, or when it is late: that frees whoever reads from it."""

    def __init__(self, stop: Event | None, seconds: float) -> None:
        self._stop, self._seconds = stop, seconds
        self._done, self._is_late = Event(), False
        self._sock: socket.socket | None = None

    def begin(self, sock: socket.socket) -> None:
        self._sock = sock
        Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """What is read of it from now on is of no use."""
        if not self._done.is_set():
            self._done.set()
            self._shut()

    def check(self) -> None:
        """Raises Stopped, or RemoteError where it took too long."""
        _check(self._stop)
        if self._is_late:
            raise RemoteError(f"the server has not answered within {self._seconds:.0f} s: is it busy?", is_late=True)

    def _run(self) -> None:
        late = time.monotonic() + self._seconds
        while not self._done.wait(_POLL_SECONDS):
            self._is_late = time.monotonic() > late
            if self._is_late or (self._stop is not None and self._stop.is_set()):
                self._shut()
                return

    def _shut(self) -> None:
        """The plain socket's own: that of TLS forgets first that it is one, and would send the rest as plain text."""
        if self._sock is not None:
            with suppress(OSError):  # it is closed
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def _reply(response: HTTPResponse) -> Reply:
    read = response.read(MOST_BYTES)
    try:
        values = json.loads(read)
    except (ValueError, RecursionError):
        values = None
    return Reply(response.status, values)


def _objects(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    """Of `data:` lines or of bare ones; comments and blank lines are skipped."""
    left = MOST_BYTES
    while line := response.readline(MOST_LINE):
        left -= len(line)
        if left < 0 or (len(line) >= MOST_LINE and not line.endswith(b"\n")):
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
        raise RemoteError("the server broke off with an error", said=said(found))
    return found


def _refused(reply: Reply, response: HTTPResponse) -> RemoteError:
    if reply.status in (401, 403):
        return RemoteError("the server wants another key: name the environment variable that holds it", reply.status)
    after = response.getheader("Retry-After") or ""
    pause = float(after) if after.isdecimal() and len(after) < 5 else 0.0
    return RemoteError(f"the server answers {reply.status}", reply.status, pause, said(reply.values))


def said(values: Any) -> str:
    """What an answer has to say of an error, in any server's form."""
    if isinstance(values, dict):
        for key in ("error", "message", "detail"):
            if values.get(key):
                return said(values[key])
        return ""
    if isinstance(values, list):
        return said(values[0]) if values else ""
    return shown(str(values)) if values else ""


def shown(text: str) -> str:
    """A stranger's words for a terminal: one line, without control characters, not too long."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * _SHOWN]).split())[:_SHOWN]
