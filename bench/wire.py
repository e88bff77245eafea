"""A client of bytes: it has its messages ready, so that what it measures is the server and the pipes, nothing of its
own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lacuna.lsp_server.documents.text import Place, Text


class Wire:
    """One server process without a model, and one document that is typed into."""

    def __init__(self, folder: Path, has_daemon: bool = False) -> None:
        """`has_daemon`: it is a part of the user's daemon."""
        command = [sys.executable, "-P", "-m", "lacuna.lsp_server", "serve"]  # -P: as the demo's editor starts it
        command += [] if has_daemon else ["--no-daemon"]
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self._server.stdin is not None and self._server.stdout is not None, "both are pipes"
        self._stdin, self._stdout = self._server.stdin, os.fdopen(self._server.stdout.fileno(), "rb", closefd=False)
        self._uri = (folder / "scale.py").as_uri()
        self._requests = 0
        options = {"statistics": False, "model": str(folder / "no-such-model")}
        capabilities: dict[str, Any] = {"textDocument": {"inlineCompletion": {}}}
        self._ask(
            "initialize", {"processId": os.getpid(), "capabilities": capabilities, "initializationOptions": options}
        )
        self._stdin.write(_message("initialized", {}))

    def open(self, text: str, cursor: int) -> None:
        """Open a Python document, the cursor at an index into it."""
        self._text, self._cursor, self._version = Text(text), cursor, 0
        document = {"uri": self._uri, "languageId": "python", "version": 0, "text": text}
        self._stdin.write(_message("textDocument/didOpen", {"textDocument": document}))

    def type(self, piece: str) -> float:
        """Insert at the cursor and ask there: the milliseconds from before the change's bytes are written until those
        of the answer are read."""
        before, self._version = self._text.place_at(self._cursor), self._version + 1
        self._text, self._cursor = self._text.replace(before, before, piece), self._cursor + len(piece)
        change = {"range": {"start": _position(before), "end": _position(before)}, "text": piece}
        document = {"uri": self._uri, "version": self._version}
        changed = _message("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        at = _position(self._text.place_at(self._cursor))
        asked = {"textDocument": {"uri": self._uri}, "position": at, "context": {"triggerKind": 2}}
        return self._ask("textDocument/inlineCompletion", asked, changed)

    def close(self) -> None:
        """End the server."""
        self._ask("shutdown", None)
        self._stdin.write(_message("exit", None))
        self._server.wait(timeout=30)

    def _ask(self, method: str, params: object, before: bytes = b"") -> float:
        self._requests += 1
        data = before + _message(method, params, self._requests)
        start = time.perf_counter()
        self._stdin.write(data)
        while True:
            body = self._read()
            milliseconds = (time.perf_counter() - start) * 1000.0
            answer = json.loads(body)
            if answer.get("id") == self._requests and "method" not in answer:
                assert "error" not in answer, answer
                return milliseconds

    def _read(self) -> bytes:
        length = 0
        while header := self._stdout.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        assert length, "the server went away"
        return self._stdout.read(length)


def _message(method: str, params: object, id: int | None = None) -> bytes:
    content: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    body = json.dumps(content if id is None else content | {"id": id}).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def _position(place: Place) -> dict[str, int]:
    """In a text without characters outside of the basic plane."""
    return {"line": place.line, "character": place.column}
