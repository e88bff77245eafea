"""What a session has said, as far as a new daemon has to be told it when the one before is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Lock
from typing import Any

MOST_BYTES = 64 << 20  # of open documents and their changes; with more a session ends with its daemon
AGAIN = "lacuna/again"  # the id of an `initialize` that is said again
_CONTENT_MODIFIED = -32801  # what editors take for "ask again", without a word to the user

_OPENED = ("textDocument/didOpen", "notebookDocument/didOpen")
_CHANGED = ("textDocument/didChange", "notebookDocument/didChange")
_CLOSED = ("textDocument/didClose", "notebookDocument/didClose")
_KEPT = ("initialized", "workspace/didChangeConfiguration", "workspace/didChangeWorkspaceFolders")


class Journal:
    """Reads what goes by. Both sides may be noted at once."""

    def __init__(self) -> None:
        self.process: int | None = None  # the editor's, that the session belongs to
        self.said_goodbye = False  # `shutdown`
        self.has_left = False  # `exit`, or what is no message
        self._lock = Lock()
        self._initialize: dict[str, Any] | None = None
        self._is_initialized = False
        self._kept: list[bytes] = []
        self._documents: dict[str, list[bytes]] = {}
        self._bytes = 0
        self._waiting: dict[tuple[str, Any], None] = {}  # ids of requests that were not answered

    @property
    def is_whole(self) -> bool:
        """Whether a new daemon can be told all it has to know."""
        return self._initialize is not None and self._bytes <= MOST_BYTES

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is due."""
        return bool(self._waiting)

    def sent(self, body: bytes) -> None:
        """Of the editor."""
        message = _parsed(body)
        method = message.get("method")
        with self._lock:
            if "id" in message and method is not None:
                self._waiting[_key(message["id"])] = None
            if method == "initialize" and self._initialize is None:
                self._initialize = message
                self.process = _process(message)
            elif method == "shutdown":
                self.said_goodbye = True
            elif method == "exit":
                self.has_left = True
            elif method in _KEPT:
                self._kept.append(body)
            elif method in _OPENED or method in _CHANGED or method in _CLOSED:
                self._note_document(method, _uri(message), body)

    def answered(self, body: bytes) -> bool:
        """Whether a message of the daemon is for the editor."""
        if len(body) < 1 << 20 and b'"id"' not in body:
            return True
        message = _parsed(body)
        if "method" in message or "id" not in message:
            return True
        with self._lock:
            self._waiting.pop(_key(message["id"]), None)
            is_ours = message["id"] == AGAIN
            self._is_initialized = True
        return not is_ours

    def again(self) -> Iterator[bytes]:
        """What a new daemon is told, in order."""
        with self._lock:
            assert self._initialize is not None, "the session has begun"
            repeated = {"id": AGAIN} if self._is_initialized else {}
            yield json.dumps({**self._initialize, **repeated}).encode()
            yield from self._kept
            for messages in self._documents.values():
                yield from messages

    def lost(self) -> Iterator[bytes]:
        """What the editor is told of requests that nobody will answer any more."""
        with self._lock:
            if not self._is_initialized:
                return  # `initialize` is said again, and answered then
            lost, self._waiting = self._waiting, {}
        for _, request in lost:
            error = {"code": _CONTENT_MODIFIED, "message": "the language server's daemon was started anew"}
            yield json.dumps({"jsonrpc": "2.0", "id": request, "error": error}).encode()

    def _note_document(self, method: str, uri: str, body: bytes) -> None:
        if method in _CHANGED and uri in self._documents:
            self._documents[uri].append(body)
            self._bytes += len(body)
            return
        self._bytes -= sum(map(len, self._documents.pop(uri, ())))
        if method in _OPENED:
            self._documents[uri] = [body]
            self._bytes += len(body)


def _parsed(body: bytes) -> dict[str, Any]:
    """Nothing where it is no message: whoever gets it says so."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _key(request: object) -> tuple[str, Any]:
    """1 and "1" are two requests; what no id may be is none."""
    return (type(request).__name__, request if isinstance(request, str | int) else None)


def _process(message: dict[str, Any]) -> int | None:
    params = message.get("params")
    found = params.get("processId") if isinstance(params, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _uri(message: dict[str, Any]) -> str:
    params = message.get("params")
    found = (params.get("textDocument") or params.get("notebookDocument")) if isinstance(params, dict) else None
    return str(found.get("uri")) if isinstance(found, dict) else ""
