"""2,000 random sequences of edits, requests and cancellations: the texts are always equal, and nobody is stuck."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.server import create_server
from tiny_model import write_tiny_model

SEQUENCES = 2000
REQUEST_CANCELLED = -32800
PATIENCE = 30.0  # seconds for one answer
PIECES = ["a", "(", ")", "x = ", "def f():\n    ", "\n", "\r\n", "\r", "\t", '"', "é", "😀", "\x0c", "\u2028", "\ud800"]
HEADER = re.compile(rb"Content-Length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL)


class Wire:
    """The client's end of a connection to a server in this process; also the server's writer."""

    def __init__(self) -> None:
        self.to_server = asyncio.StreamReader()
        self.answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._received = b""
        self._ids = 0

    def notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, params: object) -> int:
        self._ids += 1
        self.answers[self._ids] = asyncio.get_running_loop().create_future()
        self._send({"id": self._ids, "method": method, "params": params})
        return self._ids

    async def call(self, method: str, params: object) -> Any:
        answer = await self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    async def answer(self, number: int) -> dict[str, Any]:
        return await asyncio.wait_for(self.answers[number], PATIENCE)

    def write(self, data: bytes) -> None:
        self._received += data
        while header := HEADER.match(self._received):
            end = header.end() + int(header[1])
            if len(self._received) < end:
                return
            message = json.loads(self._received[header.end() : end])
            self._received = self._received[end:]
            if "id" in message:
                self.answers[message["id"]].set_result(message)

    def close(self) -> None:
        self.to_server.feed_eof()

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.to_server.feed_data(b"Content-Length: %d\r\n\r\n" % len(body) + body)


class Editor:
    """A document as an editor holds it: one string, and LSP's rules for positions, written down a second time."""

    def __init__(self, encoding: str) -> None:
        self.text = ""
        self._encoding = encoding

    def replace(self, start: tuple[int, int], end: tuple[int, int], new: str) -> None:
        first, last = sorted((self._offset(start), self._offset(end)))
        self.text = self.text[:first] + re.sub("[\ud800-\udfff]", "\ufffd", new) + self.text[last:]

    def position(self, chance: random.Random) -> tuple[int, int]:
        """Somewhere, now and then behind the end of a line or of the text."""
        lines = self._lines()
        line = chance.randrange(len(lines) + (chance.random() < 0.05))
        if line == len(lines):
            return line, chance.randrange(9)
        _, content = lines[line]
        column = self._width(content[: chance.randint(0, len(content))])
        return line, column + (
            chance.randrange(1, 99) if column == self._width(content) and chance.random() < 0.2 else 0
        )

    def _offset(self, position: tuple[int, int]) -> int:
        lines = self._lines()
        if position[0] >= len(lines):
            return len(self.text)
        start, content = lines[position[0]]
        widths = (self._width(content[:count]) for count in range(len(content) + 1))
        return start + max(count for count, width in enumerate(widths) if width <= position[1])

    def _lines(self) -> list[tuple[int, str]]:
        """Where each line starts, and its text without the line end."""
        ends = [(match.start(), match.end()) for match in re.finditer("\r\n|\n|\r", self.text)]
        starts = [0, *(end for _, end in ends)]
        stops = [*(start for start, _ in ends), len(self.text)]
        return [(start, self.text[start:stop]) for start, stop in zip(starts, stops, strict=True)]

    def _width(self, text: str) -> int:
        codec, size = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[self._encoding]
        return len(text.encode(codec)) // size


@asynccontextmanager
async def connected(models: Models, encoding: str, settings: dict[str, object]) -> AsyncIterator[tuple[Wire, Any]]:
    wire, server = Wire(), create_server(models)
    conversation = asyncio.create_task(server.converse(wire.to_server, wire))
    capabilities = {"general": {"positionEncodings": [encoding]}}
    parameters = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": settings}
    await wire.call("initialize", parameters)
    wire.notify("initialized", {})
    yield wire, server
    await wire.call("shutdown", None)
    wire.notify("exit", None)
    await asyncio.wait_for(conversation, PATIENCE)


async def run_sequence(wire: Wire, server: Any, chance: random.Random, encoding: str, uri: str) -> list[int]:
    """Play with one document and close it; the requests that were made, of which some may not be answered yet."""
    editor = Editor(encoding)
    asked: list[int] = []
    editor.replace((0, 0), (0, 0), "".join(chance.choices(PIECES, k=chance.randrange(12))))
    document = {"uri": uri, "languageId": chance.choice(["python", "go", ""]), "version": 0, "text": editor.text}
    wire.notify("textDocument/didOpen", {"textDocument": document})
    for version in range(1, chance.randrange(2, 12)):
        match chance.choices(["edit", "ask", "cancel", "wait", "pause"], [8, 5, 2, 2, 2])[0]:
            case "edit":
                changes = [random_change(editor, chance) for _ in range(chance.randrange(1, 4))]
                identifier = {"uri": uri, "version": version}
                wire.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})
            case "ask":
                asked.append(wire.request("textDocument/inlineCompletion", random_request(editor, chance, uri)))
            case "cancel" if asked:
                wire.notify("$/cancelRequest", {"id": chance.choice(asked)})
            case "wait" if asked:
                await wire.answer(chance.choice(asked))
            case "pause":
                await asyncio.sleep(chance.choice([0.0, 0.0, 0.002]))
    await wire.call("workspace/executeCommand", {"command": "lacuna.statistics"})  # all before it has been taken up
    assert str(server.documents.get(uri).text) == editor.text
    wire.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return asked


def random_change(editor: Editor, chance: random.Random) -> dict[str, object]:
    new = "".join(chance.choices(PIECES, k=chance.randrange(4)))
    if chance.random() < 0.05:
        editor.text = ""
        editor.replace((0, 0), (0, 0), new)
        return {"text": new}
    start, end = sorted((editor.position(chance), editor.position(chance)))
    if chance.random() < 0.6:
        end = start
    editor.replace(start, end, new)
    return {"range": span(start, end), "text": new}


def random_request(editor: Editor, chance: random.Random, uri: str) -> dict[str, object]:
    line, character = editor.position(chance)
    context = {"triggerKind": chance.choice([1] + 9 * [2])}
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}, "context": context}


def span(start: tuple[int, int], end: tuple[int, int]) -> dict[str, object]:
    return {
        "start": dict(zip(("line", "character"), start, strict=True)),
        "end": dict(zip(("line", "character"), end, strict=True)),
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_random_sequences(encoding: str, tmp_path: Path) -> None:
    models, chance = Models(), random.Random(encoding)
    model = write_tiny_model(tmp_path)
    asked: list[int] = []
    settings: dict[str, object] = {
        "model": str(model),
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "confidence": 0.0,
        "drafts": 2,
    }
    async with connected(models, encoding, settings) as (wire, server):
        for number in range(SEQUENCES // 3 + 1):
            asked += await run_sequence(wire, server, chance, encoding, f"untitled:{number}")
        for number in asked:
            answer = await wire.answer(number)
            assert "result" in answer or answer["error"]["code"] == REQUEST_CANCELLED, answer
        report = await wire.call("workspace/executeCommand", {"command": "lacuna.statistics"})
        worker = server.lifecycle.worker
    assert worker.finished > 50 and worker.stopped > 50, "the engine was asked, and stopped"
    assert {"superseded", "cancelled"} <= report["outcomes"].keys()
    models.close()
