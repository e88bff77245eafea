"""Settings and messages of every wrong form: refused with words, and the server goes on."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from asking import ask, check_lives
from planting import cases
from watched_server import WatchedServer, framed

numbers = count(1)  # of documents
DEEP: Any = json.loads("[" * 400 + "]" * 400)
# What comes as `settings` of workspace/didChangeConfiguration.
SETTINGS: dict[str, Any] = {
    "null": None,
    "false": False,
    "number": 7,
    "text": "lacuna",
    "empty list": [],
    "list": [1, 2, 3],
    "list of lists": [[], {}],
    "nested": {"lacuna": {"lacuna": {"lacuna": {}}}},
    "section null": {"lacuna": None},
    "section list": {"lacuna": [1]},
    "section text": {"lacuna": "off"},
    "deep": {"lacuna": {"excluded": DEEP}},
    "unknown names": {f"unknown{number}": number for number in range(1000)},
    "a long name": {"x" * 1_000_000: 1},
    "a name of capitals": {"A" * 100_000: 1},
    "empty name": {"": 1},
    "lone surrogate": {"model": "\ud800"},
    "NUL in a name": {"model": "a\0b"},
    "model list": {"model": ["smollm2-135m"]},
    "model object": {"model": {"path": "/dev/zero"}},
    "model number": {"model": 1},
    "model bool": {"model": True},
    "model of a million letters": {"model": "m" * 1_000_000},
    "model /dev/zero": {"model": "/dev/zero"},
    "model /dev/stdin": {"model": "/dev/stdin"},
    "model of dots": {"model": "../" * 10_000},
    "model ~nobody-there": {"model": "~nobody-there/x"},
    "model a URL": {"model": "http://127.0.0.1:9/x"},
    "model a name upward": {"model": "owner/../../x"},
    "adapter list": {"adapter": []},
    "adapter NUL": {"adapter": "\0"},
    "adapter upward": {"adapter": "../../../dev"},
    "adapter /dev": {"adapter": "/dev"},
    "device unknown": {"device": "tpu"},
    "device list": {"device": ["cpu"]},
    "dtype unknown": {"dtype": "float8"},
    "threads negative": {"threads": -1},
    "threads huge": {"threads": 10**400},
    "threads 1e308": {"threads": 1e308},
    "threads bool": {"threads": True},
    "threads half": {"threads": 1.5},
    "threads text": {"threads": "4"},
    "threads infinite": {"threads": float("inf")},
    "confidence NaN": {"confidence": float("nan")},
    "confidence infinite": {"confidence": float("-inf")},
    "confidence list": {"confidence": [0.4]},
    "budget 10^5000": {"budget_ms": 10**4000},
    "candidates zero": {"num_candidates": 0},
    "old name null": {"drafts": None},
    "max_lines huge": {"max_lines": 2**63},
    "debounce negative": {"debounce_ms": -5},
    "completion list": {"completion": ["inline"]},
    "log level number": {"log_level": 10},
    "log level unknown": {"logLevel": "loud"},
    "excluded text": {"excluded": "*.py"},
    "excluded numbers": {"excluded": [1, 2]},
    "excluded null": {"excluded": [None]},
    "excluded 8 stars": {"excluded": ["*a*a*a*a*a*a*a*b"]},
    "excluded 30 stars": {"excluded": ["*a" * 30 + "b"]},
    "excluded 1,000 of 6 stars": {"excluded": ["*a*a*a*a*a*a*b"] * 1000},
    "excluded 30,000": {"excluded": [f"*.x{number}" for number in range(30_000)]},
    "excluded 1 MB": {"excluded": ["*a" * 500_000]},
    "excluded bad classes": {"excluded": ["[z-a]", "[", "\\", "!", "//"]},
    "excluded everything, and back": {"excluded": ["**", "!**"]},
    "languages numbers": {"disabled_languages": [1]},
    "languages object": {"disabled_languages": {"python": True}},
    "enabled text": {"enabled": "yes"},
    "enabled 1": {"enabled": 1},
    "statistics text": {"statistics": "no"},
    "both spellings": {"maxLines": 3, "max_lines": 4},
}
QUICK_SETTINGS = ["number", "deep", "model /dev/stdin", "threads huge", "confidence NaN", "excluded 30 stars"]


def message(method: str, params: object, id: Any = None) -> bytes:
    content = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(content if id is None else {**content, "id": id}).encode()


INLINE = "textDocument/inlineCompletion"
CHANGE = "textDocument/didChange"
HERE = {"uri": "untitled:none"}
HUGE = {"line": 2**31 - 1, "character": 2**31 - 1}
# One message each, in a frame that is right. An answer is not asked for here: that the server lives is.
MESSAGES: dict[str, bytes] = {
    "null": b"null",
    "number": b"7",
    "text": b'"hello"',
    "empty object": b"{}",
    "empty batch": b"[]",
    "batch": b"[" + message("x/y", {}) + b"," + message("x/z", {}, 90900) + b"]",
    "batch of nulls": b"[null,null]",
    "batch of 10,000": b"[" + b",".join([message("x/y", {})] * 10_000) + b"]",
    "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "params 50,000 deep": b'{"jsonrpc":"2.0","id":90901,"method":"x/y","params":'
    + b"[" * 50_000
    + b"]" * 50_000
    + b"}",
    "number of 5,000 digits": b'{"jsonrpc":"2.0","id":90902,"method":"x/y","params":{"n":' + b"9" * 5_000 + b"}}",
    "number 1e999": b'{"jsonrpc":"2.0","method":"x/y","params":{"n":1e999}}',
    "id of 5,000 digits": b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"x/y"}',
    "NaN": b'{"jsonrpc":"2.0","method":"x/y","params":{"n":NaN}}',
    "id null": b'{"jsonrpc":"2.0","id":null,"method":"x/y"}',
    "id object": message("x/y", {}, {"a": 1}),
    "id list": message("x/y", {}, [1]),
    "id true": message("x/y", {}, True),
    "id half": message("x/y", {}, 1.5),
    "id of a megabyte": message("x/y", {}, "x" * 1_000_000),
    "id of a lone surrogate": message("x/y", {}, "\ud800"),
    "no jsonrpc": b'{"id":90903,"method":"x/y"}',
    "another jsonrpc": b'{"jsonrpc":"1.0","id":90904,"method":"x/y"}',
    "jsonrpc a number": b'{"jsonrpc":2.0,"id":90905,"method":"x/y"}',
    "method number": b'{"jsonrpc":"2.0","id":90906,"method":7}',
    "method null": b'{"jsonrpc":"2.0","id":90907,"method":null}',
    "method list": b'{"jsonrpc":"2.0","id":90908,"method":["x"]}',
    "method of a megabyte": message("x" * 1_000_000, {}, 90909),
    "method with dunders": message("__class__/__init__", {}, 90910),
    "keys with dunders": message("x/y", {"__class__": 1, "__dict__": {}, "_fields": []}, 90911),
    "keys that are keywords": message("textDocument/copilotInlineEdit", {"class": 1, "def": 2}, 90912),
    "same key twice": b'{"jsonrpc":"2.0","id":90913,"id":90914,"method":"x/y","method":"x/z"}',
    "params null": message(INLINE, None, 90915),
    "params number": message(INLINE, 7, 90916),
    "params list": message(INLINE, [1, 2], 90917),
    "params empty": message(INLINE, {}, 90918),
    "position text": message(INLINE, {"textDocument": HERE, "position": "x", "context": {"triggerKind": 1}}, 90919),
    "position negative": message(
        INLINE,
        {"textDocument": HERE, "position": {"line": -1, "character": -1}, "context": {"triggerKind": 1}},
        90920,
    ),
    "position huge": message(INLINE, {"textDocument": HERE, "position": HUGE, "context": {"triggerKind": 1}}, 90921),
    "trigger unknown": message(INLINE, {"textDocument": HERE, "position": HUGE, "context": {"triggerKind": 99}}, 90922),
    "uri number": message("textDocument/didOpen", {"textDocument": {"uri": 7, "text": ""}}),
    "uri of a megabyte": message("textDocument/didClose", {"textDocument": {"uri": "file:///" + "x" * 1_000_000}}),
    "uri of percents": message(INLINE, {"textDocument": {"uri": "file:///%00%ff%"}, "position": HUGE}, 90923),
    "text null": message("textDocument/didOpen", {"textDocument": {**HERE, "languageId": "x", "version": 1}}),
    "change of nothing": message(CHANGE, {"textDocument": {**HERE, "version": 1}, "contentChanges": []}),
    "change null": message(CHANGE, {"textDocument": {**HERE, "version": 1}, "contentChanges": None}),
    "change of 5": message(CHANGE, {"textDocument": {**HERE, "version": 1}, "contentChanges": 5}),
    "notebook of nothing": message("notebookDocument/didChange", {"notebookDocument": HERE, "change": {}}),
    "cancel object": message("$/cancelRequest", {"id": {}}),
    "cancel nothing": message("$/cancelRequest", {}),
    "cancel null": message("$/cancelRequest", None),
    "cancel of what is not there": message("$/cancelRequest", {"id": 10**30}),
    "initialize again": message("initialize", {"capabilities": {}, "processId": None, "rootUri": None}, 90924),
    "initialized again": message("initialized", {}),
    "answer nobody waits for": b'{"jsonrpc":"2.0","id":"nobody","result":{}}',
    "error nobody waits for": b'{"jsonrpc":"2.0","id":"nobody","error":{"code":1,"message":"x"}}',
    "error that is none": b'{"jsonrpc":"2.0","id":1,"error":7}',
    "answer and request": b'{"jsonrpc":"2.0","id":90925,"method":"x/y","result":1,"error":2}',
    "command unknown": message("workspace/executeCommand", {"command": "lacuna.__init__"}, 90926),
    "command number": message("workspace/executeCommand", {"command": 1}, 90927),
    "command with arguments too many": message(
        "workspace/executeCommand", {"command": "lacuna.statistics", "arguments": [1] * 1000}, 928
    ),
    "accepted list": message("workspace/executeCommand", {"command": "lacuna.accepted", "arguments": [[]]}, 90929),
    "accepted huge": message("workspace/executeCommand", {"command": "lacuna.accepted", "arguments": [10**30]}, 90930),
    "partially accepted text": message(
        "workspace/executeCommand", {"command": "lacuna.partiallyAccepted", "arguments": ["x", "y"]}, 931
    ),
    "pull a list": message("workspace/executeCommand", {"command": "lacuna.pull", "arguments": [[]]}, 90932),
    "pull a path": message("workspace/executeCommand", {"command": "lacuna.pull", "arguments": ["/dev/zero"]}, 90933),
    "pull an option": message("workspace/executeCommand", {"command": "lacuna.pull", "arguments": ["--help"]}, 90934),
    "resolve of nonsense": message("codeAction/resolve", {"title": "x", "data": {"unit": "__class__"}}, 90935),
    "resolve of huge places": message(
        "codeAction/resolve",
        {"title": "x", "data": {"unit": "BODY", **HERE, "version": 1, "start": [2**40, 2**40], "end": [0, 0]}},
        90936,
    ),
    "did show nothing": message("textDocument/didShowCompletion", {"item": None}),
    "did show a list": message("textDocument/didShowInlineEdit", {"item": {"command": {"arguments": []}}}),
    "focus of nothing": message("textDocument/didFocus", None),
    "trace of nonsense": message("$/setTrace", {"value": 7}),
    "progress of nonsense": message("$/progress", {"token": {}, "value": []}),
}
QUICK_MESSAGES = [
    "null", "batch", "nested 100,000 deep", "number of 5,000 digits", "id object", "id of a lone surrogate",
    "method number", "keys with dunders", "params list", "cancel object", "accepted list", "resolve of nonsense",
]  # fmt: skip


@pytest.mark.parametrize("sent", cases(SETTINGS, QUICK_SETTINGS))
def test_settings(server: WatchedServer, settings: dict[str, object], sent: object) -> None:
    server.notify("workspace/didChangeConfiguration", {"settings": sent})
    check_lives(server)
    ask(server, f"file:///{'a' * 100}/{next(numbers)}.py")
    server.notify("workspace/didChangeConfiguration", {"settings": settings})
    check_lives(server)


@pytest.mark.parametrize("body", cases(MESSAGES, QUICK_MESSAGES))
def test_messages(server: WatchedServer, body: bytes) -> None:
    server.send(framed(body))
    check_lives(server)
    again = [number for number, answers in server.answers.items() if len(answers) > 1]
    assert not again, f"answered twice: {again}"


@pytest.mark.parametrize("sent", cases({name: SETTINGS[name] for name in ("text", "deep", "model list")}, ["deep"]))
def test_initialization_options(sent: Any) -> None:
    server = WatchedServer()
    try:
        server.initialize(sent)
        check_lives(server)
        server.goodbye()
    finally:
        server.kill()
