"""A server on the loopback interface that answers in the shapes that are known of others: for APIs that cannot run
here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Recorded:
    """What is answered under a path: JSON, or the lines of a stream."""

    values: Any = None
    lines: tuple[str, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: threading.Event | None = None  # before the last line
    chooses: Callable[[Any], Recorded] | None = None  # by the body
    by: Callable[[Any], str | None] | None = None  # of the body: what llama.cpp's `/infill` fills; None for an error


@dataclass(frozen=True)
class Seen:
    """A request."""

    path: str
    body: Any
    headers: Mapping[str, str]


class RecordedServer:
    def __init__(self, answers: Mapping[str, Recorded]) -> None:
        self.answers = dict(answers)
        self.seen: list[Seen] = []
        self.left = threading.Event()  # a client went away in the middle of a stream
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[RecordedServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def bodies(self, path: str) -> list[Any]:
        return [seen.body for seen in self.seen if seen.path == path]


class _Handler(BaseHTTPRequestHandler):
    owner: RecordedServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"null"))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _answer(self, body: Any) -> None:
        owner = self.owner
        owner.seen.append(Seen(self.path, body, {name.lower(): value for name, value in self.headers.items()}))
        recorded = owner.answers.get(self.path, Recorded({"detail": "Not Found"}, status=404))
        if recorded.chooses is not None:
            recorded = recorded.chooses(body)
        if recorded.by is not None:
            recorded = _filled(recorded.by(body))
        self.send_response(recorded.status)
        for name, value in recorded.headers.items():
            self.send_header(name, value)
        if recorded.lines:
            self.send_header("Transfer-Encoding", "chunked")  # as real servers do: the connection is kept
            self.end_headers()
            self._stream(recorded)
            return
        text = json.dumps(recorded.values).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, recorded: Recorded) -> None:
        *lines, last = recorded.lines
        try:
            for line in lines:
                self._chunk(line.encode() + b"\n")
            while recorded.waits is not None and not recorded.waits.wait(0.02):
                self._chunk(b": keep-alive\n")
            self._chunk(last.encode() + b"\n")
            self._chunk(b"")
        except OSError:
            self.owner.left.set()
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def _filled(text: str | None) -> Recorded:
    if text is None:
        return Recorded({"error": {"message": "no"}}, status=500)
    pieces = ({"content": text, "stop": False, "completion_probabilities": [{"logprob": -0.1}]}, {"stop": True})
    return Recorded(lines=tuple(json.dumps({"content": "", "stop_type": "eos", **piece}) for piece in pieces))
