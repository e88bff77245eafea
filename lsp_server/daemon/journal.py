"""What a session has said, as far as a new daemon has to be told it when the one before is gone."""

from __future__ import annotations

import json
import time
from threading import Lock
from typing import Any, cast

from lacuna.lsp_server.daemon.session_document import SessionDocument
from lacuna.lsp_server.documents.text import Encoding

MOST_BYTES = 64 << 20  # of open documents and their changes; with more a session ends with its daemon
MOST_FOLDERS = 200  # changes of a workspace's folders
AGAIN = "lacuna/again"  # the id of an `initialize` that is said again
_CONTENT_MODIFIED = -32801  # what editors take for "ask again", without a word to the user

_OPENED = ("textDocument/didOpen", "notebookDocument/didOpen")
_CHANGED = ("textDocument/didChange", "notebookDocument/didChange")
_CLOSED = ("textDocument/didClose", "notebookDocument/didClose")
_BEGUN, _FOLDERS = "initialized", "workspace/didChangeWorkspaceFolders"
_SETTINGS = "workspace/didChangeConfiguration"
_HELD = ("client/registerCapability", "window/workDoneProgress/create", "$/progress")
_ENCODINGS = ("utf-8", "utf-16", "utf-32")


class Journal:
    """Reads what goes by. Both sides may be noted at once."""

    def __init__(self) -> None:
        self.process: int | None = None  # the editor's, that the session belongs to
        self.said_goodbye = False  # `shutdown`
        self.has_left = False  # `exit`, or what is no message
        self._lock = Lock()
        self._initialize: dict[str, Any] | None = None
        self._encoding: Encoding = "utf-16"
        self._is_initialized, self._is_full = False, False
        self._begun: list[bytes] = []  # `initialized`
        self._folders: list[bytes] = []
        self._settings: list[bytes] = []  # the last ones
        self._documents: dict[str, SessionDocument] = {}
        self._waiting: dict[tuple[str, Any], float] = {}  # requests, since when they wait for an answer
        self._registered: dict[str, str] = {}  # by their ids, the methods that the daemon has registered
        self._progress: dict[str, Any] = {}  # tokens of work that it has begun to tell of

    @property
    def is_whole(self) -> bool:
        """Whether a new daemon can be told all it has to know."""
        return not self._is_full

    @property
    def waits_since(self) -> float | None:
        """When the oldest request was sent that has no answer: a time.monotonic()."""
        with self._lock:
            return min(self._waiting.values(), default=None)

    def sent(self, body: bytes) -> None:
        """Of the editor."""
        message = _parsed(body)
        method = message.get("method")
        with self._lock:
            if "id" in message and method is not None:
                self._waiting[_key(message["id"])] = time.monotonic()
            if method == "initialize" and self._initialize is None:
                self._initialize = message
                self.process = _process(message)
            elif method == "shutdown":
                self.said_goodbye = True
            elif method == "exit":
                self.has_left = True
            elif method == _SETTINGS:
                self._settings = [body]
            elif method == _BEGUN:
                self._begun = [body]
            elif method == _FOLDERS:
                self._folders = [*self._folders, body][-MOST_FOLDERS:]
            elif method in (*_OPENED, *_CHANGED, *_CLOSED) and not self._is_full:
                self._note_document(method, _uri(message), body)

    def answered(self, body: bytes) -> bool:
        """Whether a message of the daemon is for the editor."""
        if b'"id"' not in body and b'"$/progress"' not in body:
            return True
        message = _parsed(body)
        with self._lock:
            if "method" in message:
                if message["method"] in _HELD:
                    self._note_held(message)
                return True
            self._waiting.pop(_key(message.get("id")), None)
            if not self._is_initialized:
                self._is_initialized, self._encoding = True, _encoding(message)
        return message.get("id") != AGAIN

    def again(self) -> list[bytes]:
        """What a new daemon is told, in order."""
        with self._lock:
            if self._initialize is None:
                return []
            repeated = {"id": AGAIN} if self._is_initialized else {}
            documents = [message for document in self._documents.values() for message in document.messages]
            initialize = json.dumps({**self._initialize, **repeated}).encode()
            return [initialize, *self._begun, *self._folders, *self._settings, *documents]

    def lost(self) -> list[bytes]:
        """What the editor is told of what nobody will answer, end or take back any more."""
        with self._lock:
            if not self._is_initialized:
                return []  # `initialize` is said again, and answered then
            lost, self._waiting = list(self._waiting), {}
            registered, self._registered = self._registered, {}
            progress, self._progress = list(self._progress.values()), {}
        error = {"code": _CONTENT_MODIFIED, "message": "the language server's daemon was started anew"}
        told: list[dict[str, Any]] = [{"id": request, "error": error} for _, request in lost]
        told += [{"method": "$/progress", "params": {"token": one, "value": {"kind": "end"}}} for one in progress]
        if registered:
            taken_back = [{"id": one, "method": method} for one, method in registered.items()]
            told.append(
                {"id": AGAIN, "method": "client/unregisterCapability", "params": {"unregisterations": taken_back}}
            )
        return [json.dumps({"jsonrpc": "2.0", **one}).encode() for one in told]

    def _note_document(self, method: str, uri: str, body: bytes) -> None:
        if method in _OPENED:
            self._documents[uri] = SessionDocument(body)
        elif method in _CLOSED:
            self._documents.pop(uri, None)
        elif uri in self._documents:
            self._documents[uri].change(body, self._encoding)
        if sum(document.size for document in self._documents.values()) > MOST_BYTES:
            self._is_full = True
            self._documents.clear()

    def _note_held(self, message: dict[str, Any]) -> None:
        """What the daemon has said that holds until it takes it back."""
        params: dict[str, Any] = message["params"]
        if message["method"] == _HELD[0]:
            self._registered |= {one["id"]: one["method"] for one in params["registrations"]}
        elif message["method"] == _HELD[1]:
            self._progress[str(params["token"])] = params["token"]
        elif params["value"].get("kind") == "end":
            self._progress.pop(str(params["token"]), None)


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


def _encoding(initialized: dict[str, Any]) -> Encoding:
    """Of positions, as the daemon has answered."""
    result = initialized.get("result")
    capabilities = result.get("capabilities") if isinstance(result, dict) else None
    found = capabilities.get("positionEncoding") if isinstance(capabilities, dict) else None
    return cast("Encoding", found) if found in _ENCODINGS else "utf-16"


def _process(message: dict[str, Any]) -> int | None:
    params = message.get("params")
    found = params.get("processId") if isinstance(params, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _uri(message: dict[str, Any]) -> str:
    params = message.get("params")
    found = (params.get("textDocument") or params.get("notebookDocument")) if isinstance(params, dict) else None
    return str(found.get("uri")) if isinstance(found, dict) else ""
