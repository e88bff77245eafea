"""The daemon: one process with the models, and a session for each editor of the user's."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from lacuna.lsp_server.config import DEFAULTS, Config
from lacuna.lsp_server.daemon import dial
from lacuna.lsp_server.daemon.place import HAS_UNIX_SOCKETS, VERSION, Info, Place
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.model.model_pool import Models

MAX_SESSIONS = 64
MOST_QUESTION = 1 << 21  # bytes of a line: with an environment
GREETING_S = 5.0  # seconds that a connection has to say what it wants in
LINGER_S = 60.0  # seconds without a session, after which the daemon ends: an editor that starts anew finds its model
IDLE_S = 1200.0  # seconds without a question, after which models give their memory back
LOOK_S = 5.0
GOODBYE_S = 2.0  # seconds that conversations have to end in

_log = logging.getLogger(__name__)


class Wrong(Exception):
    """A connection that is not answered, or in one line; the message says why."""


class Daemon:
    """Listens at a place."""

    def __init__(
        self,
        place: Place,
        models: Models,
        create: Callable[[Models, Config], LacunaServer],
        has_unix_sockets: bool = HAS_UNIX_SOCKETS,
    ) -> None:
        """`create` makes a server for one client."""
        self._place, self._models, self._create = place, models, create
        self._has_unix_sockets = has_unix_sockets
        self._token = "" if has_unix_sockets else secrets.token_urlsafe(32)
        self._talks: set[asyncio.Task[None]] = set()
        self._sessions = 0
        self._began = self._alone_since = time.monotonic()
        self._code, self._created = _newest(), psutil.Process().create_time()
        self._ended = asyncio.Event()

    async def serve(self, listens: Callable[[], None] = lambda: None) -> int:
        """Until it is told to stop, or nobody has been there for a while. `listens` is called once it does. Raises
        OSError."""
        listening = await self._listen()
        watching = asyncio.ensure_future(self._watch())
        try:
            listens()
            await self._ended.wait()
        finally:
            watching.cancel()
            listening.close()
            info = self._place.read_info()
            if info is not None and info.process == os.getpid():
                self._place.clear()
                if self._place.is_of_one:  # nobody comes here again
                    self._place.lock.unlink(missing_ok=True)
            for talk in self._talks:
                talk.cancel()
            if self._talks:
                await asyncio.wait(self._talks, timeout=GOODBYE_S)
        return 0

    async def _listen(self) -> asyncio.Server:
        """A socket that is there is one at which somebody listens."""
        info = Info(os.getpid(), self._created, token=self._token)
        if not self._has_unix_sockets:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MOST_QUESTION)
            self._place.write_info(replace(info, port=server.sockets[0].getsockname()[1]))
            return server
        new = self._place.socket.with_suffix(".sock.new")
        new.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._accept, new, limit=MOST_QUESTION)
        new.chmod(0o600)
        self._place.write_info(info)
        new.replace(self._place.socket)
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None, "asyncio makes a task of every connection"
        self._talks.add(talk)
        try:
            async with asyncio.timeout(GREETING_S):
                question = await self._greeted(reader, writer)
            await self._answer(question, reader, writer)
        except (Wrong, TimeoutError, OSError) as error:
            _log.warning("a connection was closed: %s", error or "it said nothing")
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
        """What a connection asks for. Raises Wrong."""
        user = dial.peer(writer.get_extra_info("socket")) if self._has_unix_sockets else None
        if user is not None and user != os.getuid():
            raise Wrong("it is another user's")
        if self._token:
            nonce = str((await _line(reader)).get("nonce"))
            await _say(writer, {"proof": dial.proof(self._token, nonce)})
        question = await _line(reader)
        if not hmac.compare_digest(str(question.get("token")).encode(), self._token.encode()):
            raise Wrong("it has not shown the token")
        if question.get("lacuna") != VERSION:
            raise Wrong("it speaks another version")
        return question

    async def _answer(
        self, question: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        match question.get("ask"):
            case "status":
                await _say(writer, self._status())
            case "stop":
                await _say(writer, {"process": os.getpid()})
                self._ended.set()
            case "serve" if self._sessions >= MAX_SESSIONS:
                await _say(writer, {"refused": f"{MAX_SESSIONS} editors are there already"})
            case "serve":
                await self._converse(question, reader, writer)
            case other:
                raise Wrong(f"it asks for {other!r}")

    async def _converse(
        self, question: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A session, until its editor leaves."""
        config, environment = _asked(question)
        server = self._create(self._models, config)
        server.environment = environment
        self._sessions += 1
        try:
            await _say(writer, {"process": os.getpid(), "created": self._created})
            # In a context of its own: what waits for the greeting keeps this one for a while, and the session with it.
            await asyncio.create_task(server.converse(reader, writer))
        finally:
            self._sessions -= 1
            self._alone_since = time.monotonic()
            if not self._sessions and _newest() != self._code:
                self._ended.set()  # it was installed anew

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._sessions and time.monotonic() - self._alone_since > LINGER_S:
                self._ended.set()
            self._models.rest(IDLE_S)

    def _status(self) -> dict[str, Any]:
        return {
            "process": os.getpid(),
            "seconds": round(time.monotonic() - self._began),
            "editors": self._sessions,
            "megabytes": psutil.Process().memory_info().rss >> 20,
            "models": self._models.in_words(),
        }


async def _line(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Raises Wrong."""
    try:
        said = json.loads(await reader.readline())
    except (ValueError, RecursionError) as error:
        raise Wrong("it said what is no line of ours") from error
    if not isinstance(said, dict):
        raise Wrong("it said what is no line of ours")
    return said


async def _say(writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
    writer.write(json.dumps(said).encode() + b"\n")
    await writer.drain()


def _asked(question: dict[str, Any]) -> tuple[Config, dict[str, str]]:
    """What a shim was started with, and where."""
    model, adapter = str(question.get("model") or DEFAULTS.model), str(question.get("adapter") or DEFAULTS.adapter)
    environment = question.get("environment")
    variables = environment.items() if isinstance(environment, dict) else ()
    return replace(DEFAULTS, model=model, adapter=adapter), {str(name): str(value) for name, value in variables}


def _newest() -> float:
    """When the newest of our files was written: what runs is no longer what is installed, where that changes."""
    return max(file.stat().st_mtime for file in Path(__file__).parents[1].rglob("*.py"))
