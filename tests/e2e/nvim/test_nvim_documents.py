"""Which documents the server is told of, whatever is done to a buffer's name, type or kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from neovim import SERVE, Neovim, program, taught_settings

RECORDING = ["/bin/sh", "-c", 'recording=$1; shift; tee "$recording" | exec "$@"', "sh"]


class Recorded:
    """A Neovim whose every message to the server is kept beside."""

    def __init__(self, version: str, home: Path) -> None:
        self._recording = home / "messages"
        cmd = [*RECORDING, str(self._recording), *SERVE]
        self.home = home
        self.editor = Neovim(program(version), home, {"cmd": cmd, "settings": taught_settings()})

    def messages(self) -> list[dict[str, Any]]:
        """All whole messages so far."""
        rest, found = self._recording.read_bytes() if self._recording.exists() else b"", []
        while b"\r\n\r\n" in rest:
            header, _, rest = rest.partition(b"\r\n\r\n")
            length = int(header.lower().rpartition(b"content-length:")[2].split()[0])
            if len(rest) >= length:
                found.append(json.loads(rest[:length]))
            rest = rest[length:]
        return found

    def documents(self) -> dict[str, str]:
        """The documents that are open to the server, with their languages, as a strict server would keep them."""
        documents: dict[str, str] = {}
        for message in self.messages():
            params = message.get("params") or {}
            document = params.get("textDocument") if isinstance(params, dict) else None
            if document is None:
                continue
            uri, method = document["uri"], message["method"]
            if method == "textDocument/didOpen":
                assert uri not in documents, f"{uri} is opened twice"
                documents[uri] = document["languageId"]
            else:
                assert uri in documents, f"{method} of {uri}, which is not open"
            if method == "textDocument/didClose":
                del documents[uri]
        return documents

    def texts(self) -> dict[str, str]:
        """What stands in the documents that are open to the server. Of letters in ASCII alone."""
        texts: dict[str, str] = {}
        for message in self.messages():
            params = message.get("params") or {}
            if message.get("method") == "textDocument/didOpen":
                texts[params["textDocument"]["uri"]] = params["textDocument"]["text"]
            elif message.get("method") == "textDocument/didChange":
                for change in params["contentChanges"]:
                    text = texts[params["textDocument"]["uri"]]
                    first, last = (_offset(text, change["range"][end]) for end in ("start", "end"))
                    texts[params["textDocument"]["uri"]] = text[:first] + change["text"] + text[last:]
        return texts


def _offset(text: str, position: dict[str, int]) -> int:
    lines = text.splitlines(keepends=True)
    return sum(map(len, lines[: position["line"]])) + position["character"]


@pytest.fixture
def recorded(version: str, tmp_path: Path) -> Iterator[Recorded]:
    recorded = Recorded(version, tmp_path)
    recorded.editor.open("|", name="first.py")
    recorded.editor.until_ready()
    recorded.editor.keys("<C-c>")
    yield recorded
    recorded.editor.close()


CHANGES = {
    "renamed": (["file {home}/new.py"], {"{home}/new.py": "python"}),
    "renamed twice": (["file {home}/new.py", "file {home}/newer.py"], {"{home}/newer.py": "python"}),
    "renamed back": (["file {home}/new.py", "file {home}/first.py"], {"{home}/first.py": "python"}),
    "renamed by a plugin": (["call nvim_buf_set_name(0, '{home}/new.py')"], {"{home}/new.py": "python"}),
    "renamed and written": (["file {home}/new.py", "write"], {"{home}/new.py": "python"}),
    "saved as": (["saveas {home}/new.py"], {"{home}/new.py": "python"}),
    "written elsewhere": (["write {home}/copy.py"], {"{home}/first.py": "python"}),
    "of another type": (["setlocal filetype=javascript"], {"{home}/first.py": "javascript"}),
    "of another type and name": (
        ["file {home}/new.js", "setlocal filetype=javascript"],
        {"{home}/new.js": "javascript"},
    ),
    "without a name": (
        ["enew", "setlocal filetype=python"],
        {"{home}/first.py": "python", "untitled:lacuna-{buf}": "python"},
    ),
    "without a name, then named": (
        ["enew", "setlocal filetype=python", "call setline(1, 'a = 1')", "file {home}/new.py"],
        {"{home}/first.py": "python", "{home}/new.py": "python"},
    ),
    "without a name, then written": (
        ["enew", "setlocal filetype=python", "call setline(1, 'a = 1')", "write {home}/new.py"],
        {"{home}/first.py": "python", "{home}/new.py": "python"},
    ),
    "without a name, then wiped out": (
        ["enew", "setlocal filetype=python", "call setline(1, 'a = 1')", "bwipeout!"],
        {"{home}/first.py": "python"},
    ),
    "an empty one, used for a file": (
        ["enew", "setlocal filetype=python", "edit {home}/new.py"],
        {"{home}/first.py": "python", "{home}/new.py": "python"},
    ),
    "scratch": (["enew", "setlocal buftype=nofile", "setlocal filetype=python"], {"{home}/first.py": "python"}),
    "without a name, then scratch": (
        ["enew", "setlocal filetype=python", "setlocal buftype=nofile"],
        {"{home}/first.py": "python"},
    ),
    "a terminal": (["enew", "setlocal filetype=python", "terminal sleep 60"], {"{home}/first.py": "python"}),
    "wiped out": (["enew", "bwipeout! {home}/first.py"], {}),
}


SETTLED = "return vim.bo.buftype ~= '' or vim.bo.filetype == '' or require('lacuna.client').of(0) ~= nil"


@pytest.mark.parametrize("change", CHANGES)
def test_the_server_knows_the_buffers_as_they_are(recorded: Recorded, change: str) -> None:
    commands, expected = CHANGES[change]
    editor = recorded.editor
    for command in commands:
        editor.rpc.command(command.format(home=recorded.home))
        editor.until(lambda: editor.lua(SETTLED), f"attached after {command}")
        editor.lua("vim.wait(20)")  # what is scheduled
    buf = editor.rpc.current.buffer.number
    wanted = {
        f"{'' if uri.startswith('untitled:') else 'file://'}{uri.format(home=recorded.home, buf=buf)}": language
        for uri, language in expected.items()
    }
    editor.until(lambda: recorded.documents() == wanted, lambda: f"{wanted}; they are {recorded.documents()}")


@pytest.mark.parametrize("change", ["file {home}/new.py", "saveas {home}/new.py", "enew | setlocal filetype=python"])
def test_suggestions_go_on(recorded: Recorded, change: str) -> None:
    editor = recorded.editor
    editor.rpc.command(change.format(home=recorded.home))
    editor.until(lambda: editor.lua("return require('lacuna.client').of(0) ~= nil"), "attached")
    editor.keys("ototal = ")
    editor.shows("sum(prices)")


def test_buffers_without_a_name_have_texts_of_their_own(recorded: Recorded) -> None:
    editor = recorded.editor
    numbers = []
    editor.rpc.command("set hidden")
    for word in ("first", "second"):
        editor.rpc.command("enew | setlocal filetype=python")
        editor.rpc.current.buffer[:] = [word]
        editor.until(lambda: editor.lua("return require('lacuna.client').of(0) ~= nil"), "attached")
        numbers.append(editor.rpc.current.buffer.number)
    for buf in (*numbers, *numbers):
        editor.rpc.buffers[buf].append(f"of {buf}")
    wanted = {f"untitled:lacuna-{buf}": "\n".join(editor.rpc.buffers[buf][:]) + "\n" for buf in numbers}
    assert all(text.count("of") == 2 for text in wanted.values())
    editor.until(lambda: wanted.items() <= recorded.texts().items(), lambda: f"{wanted}; they are {recorded.texts()}")


def test_who_asks_is_told_the_id_of_the_request(recorded: Recorded) -> None:
    asked = recorded.editor.lua(
        """
        local client, uri = require("lacuna.client"), require("lacuna.documents").uri(0)
        local params = { textDocument = { uri = uri }, position = { line = 0, character = 0 } }
        params.context = { triggerKind = 1 }
        return client.request(client.of(0), "textDocument/inlineCompletion", params, function() end, 0)
        """
    )

    def sent() -> list[int]:
        messages = recorded.messages()
        return [message["id"] for message in messages if message.get("method") == "textDocument/inlineCompletion"]

    recorded.editor.until(lambda: sent()[-1:] == [asked], lambda: f"request {asked}; sent were {sent()}")


def test_a_server_that_has_just_started_is_told_where_the_cursor_is(version: str, tmp_path: Path) -> None:
    """Nothing moves once it is there."""
    (tmp_path / "first.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
    recorded = Recorded(version, tmp_path)
    recorded.editor.rpc.command(f"edit +2 {tmp_path}/first.py")
    try:
        recorded.editor.until(lambda: 1 in [at["position"]["line"] for at in cursors(recorded)], "where the cursor is")
    finally:
        recorded.editor.close()


def cursors(recorded: Recorded) -> list[dict[str, Any]]:
    return [message["params"] for message in recorded.messages() if message.get("method") == "lacuna/cursor"]


def test_where_the_cursor_rests_is_told(recorded: Recorded) -> None:
    recorded.editor.visit("|def add(a, b):\n    return a + b\n", "resting.py")
    recorded.editor.keys("jlll")
    place = {"line": 1, "character": 3}
    recorded.editor.until(
        lambda: [at["position"] for at in cursors(recorded)][-1:] == [place], lambda: str(cursors(recorded))
    )
    assert all(set(params) == {"textDocument", "position"} for params in cursors(recorded))
    assert recorded.documents(), "of documents that are open alone"
    recorded.editor.keys("ia<Esc>")
    assert [message["method"] for message in recorded.messages()].count("textDocument/inlineCompletion") > 0
