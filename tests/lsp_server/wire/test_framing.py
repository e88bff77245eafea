"""Broken frames and messages, against a real process: answered, or the connection ends and says why; never silence."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from raw_client import Server, call, connected, frame, greeting, listening, serving

from lacuna.lsp_server.wire.framing import BrokenFrame, read_body

PING = call("x/ping", None, "ping")  # answered with -32601
BODY = json.dumps(PING).encode()
SIZE = len(BODY)

PARSE_ERROR, INVALID_REQUEST, NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
NOT_INITIALIZED = -32002

UNDERSTOOD = {
    "as specified": b"Content-Length: %d\r\n\r\n" % SIZE,
    "lower case": b"content-length: %d\r\n\r\n" % SIZE,
    "upper case": b"CONTENT-LENGTH: %d\r\n\r\n" % SIZE,
    "mixed case": b"cONTENT-lENGTH: %d\r\n\r\n" % SIZE,
    "no space": b"Content-Length:%d\r\n\r\n" % SIZE,
    "two spaces": b"Content-Length:  %d\r\n\r\n" % SIZE,
    "a tab": b"Content-Length:\t%d\r\n\r\n" % SIZE,
    "a space before the colon": b"Content-Length : %d\r\n\r\n" % SIZE,
    "a space at the end": b"Content-Length: %d \r\n\r\n" % SIZE,
    "LF": b"Content-Length: %d\n\n" % SIZE,
    "LF, then CRLF": b"Content-Length: %d\n\r\n" % SIZE,
    "CRLF, then LF": b"Content-Length: %d\r\n\n" % SIZE,
    "leading zeros": b"Content-Length: 000%d\r\n\r\n" % SIZE,
    "the same twice": b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (SIZE, SIZE),
    "Content-Type behind it": b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n"
    % SIZE,
    "Content-Type before it": b"Content-Type: application/vscode-jsonrpc; charset=utf8\r\nContent-Length: %d\r\n\r\n"
    % SIZE,
    "an unknown header": b"X-Trace: 1\r\nContent-Length: %d\r\n\r\n" % SIZE,
    "an empty unknown header": b"X-Trace:\r\nContent-Length: %d\r\n\r\n" % SIZE,
    "long headers": b"X-Trace: " + b"x" * 60_000 + b"\r\nContent-Length: %d\r\n\r\n" % SIZE,
}
BROKEN = {  # and a part of what is said of it
    "negative": (b"Content-Length: -5\r\n\r\n" + BODY, "no number of bytes"),
    "a plus": (b"Content-Length: +5\r\n\r\n" + BODY, "no number of bytes"),
    "hexadecimal": (b"Content-Length: 0x10\r\n\r\n" + BODY, "no number of bytes"),
    "a fraction": (b"Content-Length: 5.0\r\n\r\n" + BODY, "no number of bytes"),
    "an underscore": (b"Content-Length: 1_0\r\n\r\n" + BODY, "no number of bytes"),
    "other digits": ("Content-Length: ٥\r\n\r\n".encode() + BODY, "no number of bytes"),
    "a word": (b"Content-Length: many\r\n\r\n" + BODY, "no number of bytes"),
    "no value": (b"Content-Length:\r\n\r\n" + BODY, "no number of bytes"),
    "two numbers": (b"Content-Length: 5 5\r\n\r\n" + BODY, "no number of bytes"),
    "a list of numbers": (b"Content-Length: 5, 5\r\n\r\n" + BODY, "no number of bytes"),
    "5,000 digits": (b"Content-Length: " + b"1" * 5_000 + b"\r\n\r\n" + BODY, "no number of bytes"),
    "a petabyte": (b"Content-Length: 1000000000000000\r\n\r\n" + BODY, "at most"),
    "129 MiB": (b"Content-Length: %d\r\n\r\n" % (129 << 20) + BODY, "at most"),
    "two lengths": (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY, "two values"),
    "no length": (b"Content-Type: text/plain\r\n\r\n" + BODY, "without Content-Length"),
    "no headers": (b"\r\n" + BODY, "without Content-Length"),
    "a body alone": (BODY + b"\n", "no header"),
    "no colon": (b"Content-Length 5\r\n\r\n" + BODY, "no header"),
    "no name": (b": 5\r\n\r\n" + BODY, "no header"),
    "a space before the name": (b" Content-Length: 5\r\n\r\n" + BODY, "no header"),
    "a null byte": (b"Content-Length\0: 5\r\n\r\n" + BODY, "no header"),
    "UTF-16": ("Content-Length: 5\r\n\r\n".encode("utf-16") + BODY, "no header"),
    "a byte order mark": (b"\xef\xbb\xbfContent-Length: 5\r\n\r\n" + BODY, "no header"),
    "CR alone": (b"Content-Length: 5\r\r" + BODY + b"\n", "no number of bytes"),
    "a header line of 70 KB": (b"X-Trace: " + b"x" * 70_000 + b"\r\n\r\n", "65536 bytes"),
    "a line without end": (b"x" * 200_000, "65536 bytes"),
    "headers of 70 KB": (b"X-Trace: 12345678\r\n" * 3_700 + b"\r\n", "65536 bytes"),
    "3 too few": (b"Content-Length: %d\r\n\r\n" % (SIZE - 3) + BODY + frame(PING), "no header"),
    "1 too few": (b"Content-Length: %d\r\n\r\n" % (SIZE - 1) + BODY + frame(PING), "no header"),
    "nothing of a body": (b"Content-Length: 0\r\n\r\n" + BODY + b"\r\n", "no header"),
    "3 too many": (b"Content-Length: %d\r\n\r\n" % (SIZE + 3) + BODY + frame(PING), "without Content-Length"),
    "15 too many": (b"Content-Length: %d\r\n\r\n" % (SIZE + 15) + BODY + frame(PING), "no header"),
    "HTTP": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n" + BODY, "HTTP"),
    "HTTP with a whole address": (b"GET http://localhost:1/ HTTP/1.1\r\n\r\n", "HTTP"),
    "a browser's header": (b"Content-Length: 5\r\nOrigin: https://example.org\r\n\r\n" + BODY, "HTTP"),
    "TLS": (bytes.fromhex("1603010200010001fc0303") + b"\n", "no header"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        server.greet()
        yield server


@pytest.mark.parametrize("headers", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_frames_that_are_understood(server: Server, headers: bytes) -> None:
    server.send(headers + BODY)
    answer = server.answers.next()
    assert answer is not None and (answer["id"], answer["error"]["code"]) == ("ping", NOT_FOUND)


@pytest.mark.parametrize("name", ["negative", "129 MiB", "a header line of 70 KB", "3 too few", "HTTP"])
def test_what_cannot_be_a_message_ends_the_process_with_a_reason(name: str) -> None:
    data, why = BROKEN[name]
    with serving() as server:
        server.send(data)
        assert server.ended() == 1
        assert "the connection ends: " in server.errors and why in server.errors
        assert "Traceback" not in server.errors


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with listening() as (address, _):
        yield address


async def read_to_the_end(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    while await read_body(reader) is not None:
        pass


@pytest.mark.parametrize(("data", "why"), BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_a_message_ends_the_connection(data: bytes, why: str, address: tuple[str, int]) -> None:
    with pytest.raises(BrokenFrame, match=re.escape(why)):
        await read_to_the_end(data)
    with connected(address) as (connection, answers):
        with suppress(ConnectionError):
            connection.sendall(data)
        assert all(answer["error"]["code"] == PARSE_ERROR or answer["id"] == "ping" for answer in answers.rest())


POSITION = {"textDocument": {"uri": "untitled:x"}, "position": {"line": 0, "character": 0}}
INLINE, EXECUTE = "textDocument/inlineCompletion", "workspace/executeCommand"
REFUSED: dict[str, tuple[object, object, int]] = {  # what is sent, and the id and the code of the answer
    "no JSON": (b"{", None, PARSE_ERROR),
    "an empty body": (b"", None, PARSE_ERROR),
    "no UTF-8": (b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}', None, PARSE_ERROR),
    "UTF-16": (json.dumps(PING).encode("utf-16"), None, PARSE_ERROR),
    "a byte order mark": (b"\xef\xbb\xbf" + BODY, None, PARSE_ERROR),
    "NaN": (b'{"jsonrpc": "2.0", "id": NaN, "method": "x"}', None, PARSE_ERROR),
    "Infinity": (b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": [-Infinity]}', None, PARSE_ERROR),
    "a number of 5,000 digits": (b'{"jsonrpc": "2.0", "id": ' + b"1" * 5_000 + b"}", None, PARSE_ERROR),
    "nested lists": (b"[" * 100_000, None, PARSE_ERROR),
    "nested objects": (b'{"a":' * 100_000, None, PARSE_ERROR),
    "two values": (BODY + BODY, None, PARSE_ERROR),
    "a batch": ([PING, PING], None, INVALID_REQUEST),
    "an empty batch": ([], None, INVALID_REQUEST),
    "a text": ("x", None, INVALID_REQUEST),
    "null": (b"null", None, INVALID_REQUEST),
    "a number": (1, None, INVALID_REQUEST),
    "an empty object": ({}, None, INVALID_REQUEST),
    "no version": ({"id": 1, "method": "x"}, 1, INVALID_REQUEST),
    "another version": ({"jsonrpc": "1.0", "id": 1, "method": "x"}, 1, INVALID_REQUEST),
    "a number as version": ({"jsonrpc": 2.0, "id": 1, "method": "x"}, 1, INVALID_REQUEST),
    "an id that is an object": (call("x", None, {}), None, INVALID_REQUEST),
    "an id that is a list": (call("x", None, []), None, INVALID_REQUEST),
    "an id that is null": ({**call("x"), "id": None}, None, INVALID_REQUEST),
    "an id that is true": (call("x", None, True), None, INVALID_REQUEST),
    "an id that is a fraction": (call("x", None, 1.5), None, INVALID_REQUEST),
    "a method that is a number": ({**PING, "method": 5}, "ping", INVALID_REQUEST),
    "a method that is null": ({**PING, "method": None}, "ping", INVALID_REQUEST),
    "an id alone": ({"jsonrpc": "2.0", "id": 1}, 1, INVALID_REQUEST),
    "an unknown method": (PING, "ping", NOT_FOUND),
    "an unknown method of $/": (call("$/x", {}, 1), 1, NOT_FOUND),
    "an unknown method without params": ({"jsonrpc": "2.0", "id": 1, "method": "x"}, 1, NOT_FOUND),
    "an unknown method with a text": (call("x", "y", 1), 1, NOT_FOUND),
    "a method of LSP that is not here": (call("textDocument/hover", None, 1), 1, NOT_FOUND),
    "a notification as a request": (call("textDocument/didOpen", None, 1), 1, INVALID_PARAMS),
    "initialize again": (call("initialize", {"processId": None, "capabilities": {}}, 1), 1, INVALID_REQUEST),
    "no params": ({"jsonrpc": "2.0", "id": 1, "method": INLINE}, 1, INVALID_PARAMS),
    "params that are null": (call(INLINE, None, 1), 1, INVALID_PARAMS),
    "params that are a list": (call(INLINE, [1], 1), 1, INVALID_PARAMS),
    "params that are a text": (call(INLINE, "x", 1), 1, INVALID_PARAMS),
    "params that are a number": (call(INLINE, 5, 1), 1, INVALID_PARAMS),
    "params that are empty": (call(INLINE, {}, 1), 1, INVALID_PARAMS),
    "no context": (call(INLINE, POSITION, 1), 1, INVALID_PARAMS),
    "an unknown trigger": (call(INLINE, {**POSITION, "context": {"triggerKind": 99}}, 1), 1, INVALID_PARAMS),
    "a document that is a list": (
        call(INLINE, {**POSITION, "textDocument": [], "context": {"triggerKind": 1}}, 1),
        1,
        INVALID_PARAMS,
    ),
    "a deep document": (
        frame(b'{"jsonrpc":"2.0","id":1,"method":"%s","params":%s1%s}' % (INLINE.encode(), b'{"a":' * 400, b"}" * 400)),
        1,
        INVALID_PARAMS,
    ),
    "a next edit of nothing": (call("textDocument/copilotInlineEdit", None, 1), 1, INVALID_PARAMS),
    "a next edit of a list": (call("textDocument/copilotInlineEdit", [1], 1), 1, INVALID_PARAMS),
    "a next edit nowhere": (call("textDocument/copilotInlineEdit", {**POSITION, "position": {}}, 1), 1, INVALID_PARAMS),
    "a rewrite of a document that is a list": (
        call(
            EXECUTE,
            {"command": "lacuna.rewrite", "arguments": [{"textDocument": {"uri": []}, "instruction": "x", "range": 1}]},
            1,
        ),
        1,
        INVALID_PARAMS,
    ),
    "no command": (call(EXECUTE, {}, 1), 1, INVALID_PARAMS),
    "an unknown command": (call(EXECUTE, {"command": "x"}, 1), 1, INVALID_PARAMS),
    "arguments that are a text": (
        call(EXECUTE, {"command": "lacuna.accepted", "arguments": "x"}, 1),
        1,
        INVALID_PARAMS,
    ),
    "too few arguments": (call(EXECUTE, {"command": "lacuna.accepted", "arguments": []}, 1), 1, INVALID_PARAMS),
    "no arguments": (call(EXECUTE, {"command": "lacuna.accepted"}, 1), 1, INVALID_PARAMS),
    "too many arguments": (call(EXECUTE, {"command": "lacuna.statistics", "arguments": [1]}, 1), 1, INVALID_PARAMS),
    "an argument that is a list": (
        call(EXECUTE, {"command": "lacuna.partiallyAccepted", "arguments": [[], {}]}, 1),
        1,
        INVALID_PARAMS,
    ),
    "a model that is a number": (call(EXECUTE, {"command": "lacuna.pull", "arguments": [5]}, 1), 1, INVALID_PARAMS),
    "a rewrite of nothing": (call(EXECUTE, {"command": "lacuna.rewrite", "arguments": [5]}, 1), 1, INVALID_PARAMS),
    "a rewrite of no document": (
        call(EXECUTE, {"command": "lacuna.rewrite", "arguments": [{"textDocument": 5}]}, 1),
        1,
        INVALID_PARAMS,
    ),
}
DROPPED: dict[str, object] = {
    "an unknown notification": call("x"),
    "an unknown notification of $/": call("$/x", {"a": [1]}),
    "no document": call("textDocument/didOpen", {}),
    "a document that is a number": call("textDocument/didChange", {"textDocument": 1, "contentChanges": [1]}),
    "a document that is not open": call(
        "textDocument/didChange", {"textDocument": {"uri": "u", "version": 1}, "contentChanges": [{"text": ""}]}
    ),
    "settings that are none": call("workspace/didChangeConfiguration", {"settings": [1]}),
    "no settings": call("workspace/didChangeConfiguration", {}),
    "folders that are none": call("workspace/didChangeWorkspaceFolders", {"event": {"added": 5}}),
    "a cancellation of nothing": call("$/cancelRequest", {"id": "nobody's"}),
    "a cancellation without an id": call("$/cancelRequest", {}),
    "a cancellation of a list": call("$/cancelRequest", {"id": [1]}),
    "a next edit's item that is none": call("textDocument/didShowInlineEdit", {"item": 5}),
    "a focus on nothing": call("textDocument/didFocus", [1]),
    "an item that is none": call("textDocument/didShowCompletion", {"item": [{}]}),
    "an item of nobody's": call("textDocument/didPartiallyAcceptCompletion", {"item": {}, "acceptedLength": "x"}),
    "progress of nothing": call("window/workDoneProgress/cancel", {"token": []}),
    "a trace that is none": call("$/setTrace", {"value": "loud"}),
    "an answer to nothing": {"jsonrpc": "2.0", "id": 99, "result": {}},
    "an answer to nobody": {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}},
    "an answer that is none": {"jsonrpc": "2.0", "id": 99, "error": 5},
}


@pytest.mark.parametrize(("sent", "id", "code"), REFUSED.values(), ids=REFUSED)
def test_messages_that_cannot_be_taken_up_are_answered(server: Server, sent: object, id: object, code: int) -> None:
    server.send(sent if isinstance(sent, bytes) and sent.startswith(b"Content") else frame(sent), PING)
    # A request may be answered after one that came later, so the two answers are compared without their order.
    answers = [server.answers.next() for _ in range(2)]
    codes = {(answer["id"], answer.get("error", {}).get("code")) for answer in answers if answer}
    assert codes == {(id, code), ("ping", NOT_FOUND)}


@pytest.mark.parametrize("sent", DROPPED.values(), ids=DROPPED)
def test_notifications_that_cannot_be_taken_up_are_dropped(server: Server, sent: object) -> None:
    server.send(sent, PING)
    answer = server.answers.next()
    assert answer is not None and answer["id"] == "ping"


def test_ids_that_come_twice_are_answered_twice(server: Server) -> None:
    statistics = call(EXECUTE, {"command": "lacuna.statistics"}, "same")
    server.send(*[statistics] * 5)
    answers = [server.answers.next() for _ in range(5)]
    assert [answer and answer["id"] for answer in answers] == ["same"] * 5


def test_before_initialize_and_after_shutdown_nothing_is_served() -> None:
    opened = call("textDocument/didOpen", {"textDocument": {"uri": "u", "languageId": "", "version": 0, "text": ""}})
    with serving() as server:
        server.send(call("shutdown", None, 1), PING, opened, call(EXECUTE, {"command": "lacuna.statistics"}, 2))
        server.send(call("initialize", {"capabilities": 5}, 3), PING)
        server.send(greeting(), call("shutdown", None, 4), PING, opened, call("initialize", {}, 5), call("exit"))
        codes = [(answer["id"], answer.get("error", {}).get("code")) for answer in server.answers.rest()]
        assert server.ended() == 0
    assert codes == [
        (1, NOT_INITIALIZED),
        ("ping", NOT_INITIALIZED),
        (2, NOT_INITIALIZED),
        (3, INVALID_PARAMS),
        ("ping", NOT_INITIALIZED),
        (0, None),
        (4, None),
        ("ping", INVALID_REQUEST),
        (5, INVALID_REQUEST),
    ]


def test_a_message_of_ten_megabytes_in_small_pieces(server: Server) -> None:
    data = frame(call("x", "y" * (10 << 20), "large"))
    for start in range(0, len(data), 999_983):
        server.send(data[start : start + 999_983])
    assert server.answers.until("large")["error"]["code"] == NOT_FOUND


def test_an_announced_message_that_is_too_large_is_not_kept() -> None:
    with serving(stdout=subprocess.DEVNULL) as server:
        server.send(b"Content-Length: 100000000000\r\n\r\n")
        for _ in range(400):
            server.send(b"x" * (1 << 20))  # dropped, as the process has ended
            if server.poll() is not None:
                break
        assert server.ended() == 1
