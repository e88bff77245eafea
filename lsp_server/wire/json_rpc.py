"""JSON-RPC as LSP has it: which messages are taken in which state, and the answer to those that cannot be."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Generator, Iterator
from threading import Event
from typing import Any, NoReturn

from lsprotocol import types
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import LanguageServerProtocol, lsp_method

from lacuna.lsp_server.wire.framing import MAX_MESSAGE, BrokenFrame, read_body

MAX_GREETING = 1 << 20  # bytes of a message of a client that has not shown its token yet
# Turns of the event loop between two messages, so that a request is taken up before the next one is read: it has to see
# the text as it was then. From the handler over the latest request to the question it takes three.
_TURNS = 4

_MEMBERS = ("jsonrpc", "id", "method", "params", "result", "error")

_log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """pygls' protocol with LSP's states, an answer to everything that asks for one, and an `exit` that ends a
    connection, not the process."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ended = Event()
        self.is_initialized = False
        self.is_broken = False  # the client sent what is no message
        self.token: str | None = None  # what the client has to show; None: whoever connects is served
        self.told_process: Callable[[int | None], None] = lambda process_id: None

    async def converse(self, reader: asyncio.StreamReader, writer: Any) -> None:
        """Take messages until the client leaves, says `exit`, or sends what cannot be a message."""
        while not self.ended.is_set():
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            most = MAX_MESSAGE if self.token is None or self.is_initialized else MAX_GREETING
            try:
                body = await read_body(reader, most)
            except BrokenFrame as error:
                _log.error("the connection ends: %s", error)
                self.is_broken = True
                return
            if body is None:
                return
            self.take(body)
            if isinstance(writer, asyncio.StreamWriter):
                await writer.drain()  # backpressure: a client that reads no answers is not read either

    def take(self, body: bytes) -> None:
        """Take up one message."""
        try:
            data = _parsed(body)
        except (ValueError, RecursionError):
            self._refuse(None, JsonRpcParseError())
            return
        try:
            message_id = _check(data)
        except JsonRpcException as error:
            self._refuse(_id_of(data), error)
            return
        try:
            self._take_up(data, message_id)
        except Exception as error:  # one message must not end the connection
            self._server._report_server_error(error, JsonRpcException)

    def get_message_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        """pygls' own, and the next, keep the last 128 sessions in a cache, documents and all."""
        return types.METHOD_TO_TYPES.get(method, (None,))[0]

    def get_result_type(self, method: str) -> type[Any] | None:  # type: ignore[override]
        return types.METHOD_TO_TYPES.get(method, (None, None))[1]

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        result = yield from super().lsp_initialize(params)
        self.is_initialized = True
        self.told_process(params.process_id)
        return result

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> Generator[Any, Any, Any]:
        params.arguments = params.arguments or []  # so that those which a command needs are missed
        return (yield from super().lsp_workspace__execute_command(params))

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *arguments: Any) -> Generator[Any, Any, None]:
        """pygls' own fails where a command is at work: one that is cancelled leaves the table which is being walked."""
        if (handler := self.fm.features.get(types.SHUTDOWN)) is not None:
            yield handler, arguments, None
        for message_id, waiting in tuple(self._request_futures.items()):
            if message_id != self.msg_id:
                waiting.cancel()
        self._shutdown = True

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_: object) -> Iterator[None]:  # type: ignore[override]
        self.ended.set()
        yield from ()

    def _take_up(self, data: dict[str, Any], message_id: int | str | None) -> None:
        if "method" not in data:
            self._take_answer(data)
        elif "id" in data:
            self._take_request(data, message_id)
        else:
            self._take_notification(data)

    def _take_request(self, data: dict[str, Any], message_id: int | str | None) -> None:
        try:
            self._admit(data)
            message = self._structured(data)
        except JsonRpcException as error:
            self._refuse(message_id, error)
            return
        self.handle_message(message)

    def _take_notification(self, data: dict[str, Any]) -> None:
        method = data["method"]
        if method != types.EXIT and (self._shutdown or not self.is_initialized):
            return
        if method != types.CANCEL_REQUEST and not self._has(method):
            return
        if method == types.EXIT:
            self.ended.set()
        else:
            self.handle_message(self._structured(data))

    def _take_answer(self, data: dict[str, Any]) -> None:
        """Of the client, to a request of ours. What has another id is nobody's answer."""
        if data["id"] not in self._result_types or self._shutdown:
            return
        waiting = self._request_futures.get(data["id"])
        try:
            message = self._structured(data)
        except JsonRpcException as error:
            if waiting is not None:
                waiting.set_exception(error)
            raise
        self.handle_message(message)

    def _admit(self, data: dict[str, Any]) -> None:
        """Raises JsonRpcException for a request that this is not the time for, or that nobody handles."""
        method = data["method"]
        if self._shutdown:
            raise JsonRpcInvalidRequest("the server was shut down")
        if method == types.INITIALIZE:
            if self.is_initialized:
                raise JsonRpcInvalidRequest("the server was initialized before")
            self._admit_client(data.get("params"))
        elif not self.is_initialized:
            raise JsonRpcServerNotInitialized("the first request has to be `initialize`")
        elif not self._has(method):
            raise JsonRpcMethodNotFound.of(method)

    def _admit_client(self, params: object) -> None:
        options = params.get("initializationOptions") if isinstance(params, dict) else None
        shown = options.pop("token", "") if isinstance(options, dict) else ""
        if self.token is None:
            return
        if not isinstance(shown, str) or not secrets.compare_digest(_bytes(shown), _bytes(self.token)):
            self.ended.set()
            self.is_broken = True
            _log.error("a client without the token was turned away")
            raise JsonRpcInvalidRequest("initializationOptions.token is not the token that the server has printed")

    def _structured(self, data: dict[str, Any]) -> Any:
        """Raises JsonRpcInvalidParams."""
        try:
            return self.structure_message(data)
        except (JsonRpcException, RecursionError) as error:
            raise JsonRpcInvalidParams() from error

    def _has(self, method: str) -> bool:
        return method in self.fm.builtin_features or method in self.fm.features

    def _refuse(self, message_id: int | str | None, error: JsonRpcException) -> None:
        answer = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": self.VERSION, "id": message_id, "error": answer})


def _parsed(body: bytes) -> Any:
    """Raises ValueError, or RecursionError where it is nested too deep."""
    return json.loads(body.decode("utf-8"), parse_constant=_no_json)


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _check(data: Any) -> int | str | None:
    """The id of a message. Raises JsonRpcInvalidRequest for what is no message at all."""
    if isinstance(data, list):
        raise JsonRpcInvalidRequest("LSP has no batches")
    if not isinstance(data, dict) or data.get("jsonrpc") != "2.0":
        raise JsonRpcInvalidRequest("a message is an object with jsonrpc 2.0")
    if "id" in data and _id_of(data) is None and ("method" in data or data["id"] is not None):
        raise JsonRpcInvalidRequest("an id is a text or an integer")
    if "method" not in data and not ("id" in data and ("result" in data or "error" in data)):
        raise JsonRpcInvalidRequest("a message has a method, or it is an answer")
    if not isinstance(data.get("method", ""), str):
        raise JsonRpcInvalidRequest("a method is a text")
    for unknown in data.keys() - set(_MEMBERS):
        del data[unknown]
    if "method" in data:
        data.setdefault("params", None)
    return _id_of(data)


def _id_of(data: Any) -> int | str | None:
    """None where there is none that could be answered."""
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
