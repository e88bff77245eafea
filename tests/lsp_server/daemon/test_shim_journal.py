"""What a new daemon is told of a session, and how messages are found in a stream. No process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lacuna.lsp_server.daemon import journal, session_document
from lacuna.lsp_server.daemon.frames import frame, frames
from lacuna.lsp_server.daemon.journal import AGAIN, Journal


def body(method: str, params: object = None, id: object = None) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if id is None else {**message, "id": id}).encode()


def answer(id: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": None}).encode()


def document(method: str, uri: str, text: str = "") -> bytes:
    return body(f"textDocument/{method}", {"textDocument": {"uri": uri, "text": text}})


INITIALIZE = body("initialize", {"processId": 41}, 1)
INITIALIZED = body("initialized", {})


def begun() -> Journal:
    read = Journal()
    read.sent(INITIALIZE)
    read.answered(answer(1))
    read.sent(INITIALIZED)
    return read


def test_a_session_is_told_again_with_its_documents_as_they_are() -> None:
    read = begun()
    opened, changed, other = document("didOpen", "a", "x"), document("didChange", "a", "y"), document("didOpen", "b")
    settings = body("workspace/didChangeConfiguration", {"settings": {}})
    for one in (opened, other, changed, settings, body("textDocument/inlineCompletion", {}, 2), INITIALIZED[:-3]):
        read.sent(one)
    read.sent(document("didClose", "b"))
    first, *rest = read.again()
    assert json.loads(first) == {**json.loads(INITIALIZE), "id": AGAIN}
    assert rest == [INITIALIZED, settings, opened, changed]
    later = body("workspace/didChangeConfiguration", {"settings": {"model": "b"}})
    read.sent(later)
    assert read.again()[1:] == [INITIALIZED, later, opened, changed], "the last settings, before the documents"


def test_a_document_that_is_opened_anew_is_told_once() -> None:
    read = begun()
    for one in ("didOpen", "didChange", "didClose", "didOpen"):
        read.sent(document(one, "a", one))
    assert list(read.again())[2:] == [document("didOpen", "a", "didOpen")]


def test_the_answer_to_what_was_said_again_is_not_the_editors() -> None:
    read = begun()
    assert not read.answered(answer(AGAIN))
    assert read.answered(answer(7)) and read.answered(body("window/logMessage", {"message": f'"id": {AGAIN}'}))


def test_an_initialize_that_was_not_answered_is_said_again_as_it_was() -> None:
    read = Journal()
    read.sent(INITIALIZE)
    assert list(map(json.loads, read.again())) == [json.loads(INITIALIZE)] and not list(read.lost())
    assert read.waits_since is not None


def test_requests_that_nobody_answers_any_more_are_answered() -> None:
    read = begun()
    for id in (3, "3", 4):
        read.sent(body("textDocument/inlineCompletion", {}, id))
    read.answered(answer(4))
    lost = [json.loads(one) for one in read.lost()]
    assert [one["id"] for one in lost] == [3, "3"] and {one["error"]["code"] for one in lost} == {-32801}
    assert read.waits_since is None and not read.lost()


def test_an_answer_of_the_editor_is_no_request() -> None:
    read = begun()
    read.sent(answer(9))
    assert read.waits_since is None


def test_with_too_much_to_tell_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 1000)
    read = begun()
    read.sent(document("didOpen", "a", "x" * 600))
    assert read.is_whole
    read.sent(document("didOpen", "b", "x" * 600))
    assert not read.is_whole
    for one in (document("didClose", "a"), document("didOpen", "c", "x" * 600)):
        read.sent(one)
    assert not read.is_whole and len(read.again()) == 2, "and nothing is kept any more"


def test_before_the_first_message_there_is_nothing_to_tell() -> None:
    assert Journal().is_whole and not Journal().again() and not Journal().lost()


def test_what_the_daemon_has_registered_and_begun_is_taken_back_and_ended() -> None:
    read = begun()
    registrations = [{"id": "textDocument/completion", "method": "textDocument/completion"}]
    assert read.answered(body("client/registerCapability", {"registrations": registrations}, 1))
    for token in ("pull/1", 2):
        assert read.answered(body("window/workDoneProgress/create", {"token": token}, 2))
    assert read.answered(body("$/progress", {"token": 2, "value": {"kind": "end"}}))
    progress, unregister = map(json.loads, read.lost())
    assert progress["params"] == {"token": "pull/1", "value": {"kind": "end"}}
    assert unregister["params"] == {"unregisterations": registrations} and not read.lost()


def changed(text: str, *places: int) -> bytes:
    """Of document "a": its text from (line, character) to another, or all of it."""
    change: dict[str, object] = {"text": text}
    if places:
        start, end = ({"line": line, "character": at} for line, at in (places[:2], places[2:]))
        change["range"] = {"start": start, "end": end}
    identifier = {"uri": "a", "version": 7}
    return body("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 4), ("utf-16", 2), ("utf-32", 1), (None, 2)])
def test_many_changes_become_the_text_that_they_made(
    encoding: str | None, column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_document, "MOST_CHANGES", 400)
    read = Journal()
    read.sent(INITIALIZE)
    capabilities = {"positionEncoding": encoding} if encoding else {}
    read.answered(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"capabilities": capabilities}}).encode())
    read.sent(document("didOpen", "a", "first\n\U0001f600 = 1\n"))
    read.sent(changed("x", 1, column, 1, column))
    assert len(read.again()) == 3
    for at in range(3):
        read.sent(changed(str(at), 0, 0, 0, 0))
    _, opened = read.again()
    item = json.loads(opened)["params"]["textDocument"]
    assert item == {"uri": "a", "text": "210first\n\U0001f600x = 1\n", "version": 7}


def test_a_text_that_is_sent_whole_at_every_key_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_document, "MOST_CHANGES", 1000)
    read = begun()
    read.sent(document("didOpen", "a", "x" * 1000))
    for at in range(50):
        read.sent(changed("y" * 1000 + str(at)))
        assert sum(map(len, read.again())) < 6000
    assert b"yyy49" in read.again()[-1]


@pytest.mark.parametrize(
    "change",
    [changed("\ude01", 0, 6, 0, 7), changed("", 0, 5, 0, 6), changed("\ud83d", 0, 0, 0, 0)],
    ids=["the second half", "between two halves", "a half"],
)
def test_halves_of_characters_are_told_as_they_came(change: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_document, "MOST_CHANGES", 0)
    read = begun()
    opened = document("didOpen", "a", "x = '\U0001f600'\n")
    sent = [opened, change]
    for one in sent:
        read.sent(one)
    assert read.again()[-2:] == sent


def test_a_change_up_to_behind_the_end_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_document, "MOST_CHANGES", 0)
    read = begun()
    read.sent(document("didOpen", "a", "x\ny"))
    read.sent(changed("z" * 2000, 0, 1, 9, 9))
    assert json.loads(read.again()[-1])["params"]["textDocument"]["text"] == "x" + "z" * 2000


@pytest.mark.parametrize("change", [{"text": 3}, {}, {"text": "x", "range": {"start": {}, "end": {}}}, None])
def test_changes_that_are_none_are_told_as_they_came(change: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_document, "MOST_CHANGES", 0)
    read = begun()
    opened = document("didOpen", "a", "")
    parameters = {"textDocument": {"uri": "a", "version": 1, "more": "x" * 300}, "contentChanges": [change]}
    sent = body("textDocument/didChange", parameters)
    read.sent(opened)
    read.sent(sent)
    assert read.again()[-2:] == [opened, sent]


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"7", b'{"id": {}, "method": 3}', b"[" * 5000, b"\xff"])
def test_what_is_no_message_is_noted_as_none(sent: bytes) -> None:
    read = begun()
    read.sent(sent)
    assert read.answered(sent) and list(read.again())[1:] == [INITIALIZED]


@pytest.mark.parametrize("process", [41, None, 0, -1, True, "41"])
def test_the_editors_process(process: Any) -> None:
    read = Journal()
    read.sent(body("initialize", {"processId": process}, 1))
    assert read.process == (41 if process == 41 else None)


def test_goodbye() -> None:
    read = begun()
    assert not read.said_goodbye and not read.has_left
    read.sent(body("shutdown", None, 2))
    assert read.said_goodbye and not read.has_left
    read.sent(body("exit"))
    assert read.has_left


def pieces(data: bytes, size: int) -> Callable[[], bytes]:
    left: Iterator[bytes] = (data[at : at + size] for at in range(0, len(data), size))
    return lambda: next(left, b"")


WHOLE = frame(b"{}") + b"content-length : 3\nX: y\n\n[1]" + frame(b"") + frame(b"x" * 300)
BODIES = [b"{}", b"[1]", b"", b"x" * 300]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
def test_messages_are_found_however_they_come(size: int) -> None:
    found = list(frames(pieces(WHOLE, size)))
    assert [one for _, one in found] == [*BODIES, None] and b"".join(whole for whole, _ in found) == WHOLE


@pytest.mark.parametrize(
    "broken",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nabc",
        b"Content-Length: -1\r\n\r\nabc",
        b"x" * 70_000,
        b"Content-Length: 9\r\n\r\n{",
        b"Content-Length: 999999999999\r\n\r\nabc",
    ],
)
@pytest.mark.parametrize("size", [100, 5000])
def test_what_is_no_message_is_passed_on_as_it_is(broken: bytes, size: int) -> None:
    found = list(frames(pieces(frame(b"{}") + broken, size)))
    assert found[0] == (frame(b"{}"), b"{}")
    assert all(one is None for _, one in found[1:]) and b"".join(whole for whole, _ in found[1:]) == broken
