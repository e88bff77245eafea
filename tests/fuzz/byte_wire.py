"""A client's end of a connection to a server in this process, whose documents can be looked at."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.server import create_server

PATIENCE = 60.0  # seconds for one answer
HEADER = re.compile(rb"Content-Length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL)


class ByteWire:
    """Also the server's writer."""

    def __init__(self) -> None:
        self.to_server = asyncio.StreamReader()
        self.answers: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._received = b""
        self._ids = 0
        self._arrivals: dict[int, asyncio.Event] = {}

    def notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, params: object) -> int:
        self._ids += 1
        self._arrivals[self._ids] = asyncio.Event()
        self._send({"id": self._ids, "method": method, "params": params})
        return self._ids

    async def answer(self, number: int) -> dict[str, Any]:
        await asyncio.wait_for(self._arrivals[number].wait(), PATIENCE)
        return self.answers[number][0]

    async def call(self, method: str, params: object) -> Any:
        answer = await self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    async def statistics(self) -> Any:
        """When it is answered, all that was sent before has been taken up."""
        return await self.call("workspace/executeCommand", {"command": "lacuna.statistics"})

    def write(self, data: bytes) -> None:
        self._received += data
        while header := HEADER.match(self._received):
            end = header.end() + int(header[1])
            if len(self._received) < end:
                return
            message = json.loads(self._received[header.end() : end])
            self._received = self._received[end:]
            if "method" not in message and message.get("id") is not None:
                self.answers[message["id"]].append(message)
                self._arrivals[message["id"]].set()

    def close(self) -> None:
        self.to_server.feed_eof()

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.to_server.feed_data(b"Content-Length: %d\r\n\r\n" % len(body) + body)


@asynccontextmanager
async def connected(models: Models, capabilities: object, settings: object) -> AsyncIterator[tuple[ByteWire, Any]]:
    wire, server = ByteWire(), create_server(models)
    conversation = asyncio.create_task(server.converse(wire.to_server, wire))
    parameters = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": settings}
    await wire.call("initialize", parameters)
    wire.notify("initialized", {})
    yield wire, server
    await wire.call("shutdown", None)
    wire.notify("exit", None)
    await asyncio.wait_for(conversation, PATIENCE)
