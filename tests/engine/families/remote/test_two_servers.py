"""Two servers behind one address, as a router has them: each connection goes to the next one that is there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from urllib.parse import urlsplit

import pytest
from recorded_server import Recorded, RecordedServer
from test_remote_filler import GAP, VLLM, completion, sse

from lacuna.engine.families.remote import backoff
from lacuna.engine.families.remote.connection import Address, Connection, RemoteError
from lacuna.engine.families.remote.detection import detect
from lacuna.engine.families.remote.filler import RemoteFiller
from lacuna.engine.families.remote.fillers import filler


class Router:
    """Passes bytes on; of servers that are not there the next one is taken."""

    def __init__(self, *servers: RecordedServer) -> None:
        self._ports = [urlsplit(server.url).port for server in servers]
        self._next = cycle(range(len(servers)))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        for _ in self._ports:
            try:
                server = socket.create_connection(("127.0.0.1", self._ports[next(self._next)]))
            except OSError:
                continue
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()
            return
        client.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        for side in (one, other):
            side.close()


@contextmanager
def routed(*servers: RecordedServer) -> Iterator[RemoteFiller]:
    router = Router(*servers)
    try:
        to = Connection(Address(router.url))
        yield filler(to, detect(to))
    finally:
        router.close()


def answering(text: str) -> RecordedServer:
    said = Recorded(lines=sse(completion(text), completion("", None, "stop")))
    return RecordedServer({**VLLM, "/v1/completions": said})


def test_both_are_asked_and_one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.0)
    one, other = answering("one"), answering("other")
    with one.running():
        with other.running(), routed(one, other) as asked:
            assert {asked.infill(GAP)[0].text for _ in range(4)} == {"one", "other"}
            other.answers["/v1/completions"] = Recorded({"error": "overloaded"}, status=503)
            found = set()
            for _ in range(4):
                try:
                    found.add(asked.infill(GAP)[0].text)
                except RemoteError as error:
                    found.add(str(error.status))
            assert found == {"one", "503"}, "whoever is asked next answers"
        with routed(one, other) as asked:
            assert {asked.infill(GAP)[0].text for _ in range(4)} == {"one"}
