"""An editor for tests: starts the real server as a process and talks to it over stdio."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from lacuna.engine.store import model_store

PATIENCE = 60.0  # seconds; no test waits so long unless something is wrong
SERVE = [sys.executable, "-m", "lacuna.lsp_server", "serve"]
URI = "untitled:test.py"


class Client(LanguageClient):
    """Keeps what the server says of its own accord."""

    def __init__(self) -> None:
        super().__init__("lacuna-tests", "1")
        self.logs: list[str] = []
        self.messages: list[str] = []
        self.states: list[str] = []
        self.status = ""
        self.frames: list[Any] = []  # of requests that were watched
        self.progress: list[Any] = []  # values of all work that the server told of
        self.settings: dict[str, Any] | None = None  # what it answers to workspace/configuration
        self.questions: list[str] = []
        self.answer: types.MessageActionItem | None = None  # what it answers them
        self.refuses = False  # questions and progress are answered with errors
        self.registered: list[str] = []
        self.exit_code: int | None = None
        self.exited = asyncio.Event()
        self._changed = asyncio.Event()
        self.feature(types.WINDOW_LOG_MESSAGE)(lambda params: self._log(params))
        self.feature(types.WINDOW_SHOW_MESSAGE)(lambda params: self._message(params))
        self.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)(lambda params: self._question(params))
        self.feature("lacuna/status")(lambda params: self._status(params))
        self.feature("lacuna/frames")(lambda params: self._frame(params))
        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(lambda params: self._take())
        self.feature(types.PROGRESS)(lambda params: self.progress.append(params.value))
        self.feature(types.WORKSPACE_CONFIGURATION)(lambda params: [self.settings])
        self.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda params: self._register(params))

    async def until(self, state: str) -> None:
        """Wait until the model is in this state."""
        async with asyncio.timeout(PATIENCE):
            while not self.states or self.states[-1] != state:
                assert state == "error" or "error" not in self.states[-1:], self.status
                self._changed.clear()
                await self._changed.wait()

    async def logged(self, pattern: str) -> re.Match[str]:
        """Wait for a line of the log."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = next(filter(None, (re.search(pattern, line) for line in self.logs)), None)
                if found:
                    return found
                self._changed.clear()
                await self._changed.wait()

    def open(self, text: str, uri: str = URI, language: str = "python") -> None:
        document = types.TextDocumentItem(uri, language, 0, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(document))

    def change(
        self, line: int, character: int, text: str, *, end: tuple[int, int] | None = None, uri: str = URI
    ) -> None:
        """Insert, or replace up to `end`."""
        start = types.Position(line, character)
        span = types.Range(start, types.Position(*end) if end else start)
        self.change_all([types.TextDocumentContentChangePartial(span, text)], uri)

    def change_all(self, changes: list[types.TextDocumentContentChangeEvent], uri: str = URI, version: int = 1) -> None:
        identifier = types.VersionedTextDocumentIdentifier(version, uri)
        self.text_document_did_change(types.DidChangeTextDocumentParams(identifier, changes))

    def ask(
        self,
        line: int,
        character: int,
        *,
        invoked: bool = False,
        uri: str = URI,
        selected: tuple[int, str] | None = None,
        id: str | None = None,
    ) -> asyncio.Future[Sequence[types.InlineCompletionItem] | None]:
        """Ask for suggestions; `selected` is where the menu's item begins on the line, and its text."""
        kind = types.InlineCompletionTriggerKind.Invoked if invoked else types.InlineCompletionTriggerKind.Automatic
        position = types.Position(line, character)
        info = None
        if selected is not None:
            info = types.SelectedCompletionInfo(types.Range(types.Position(line, selected[0]), position), selected[1])
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(kind, info), types.TextDocumentIdentifier(uri), position
        )
        return self.protocol.send_request_async(types.TEXT_DOCUMENT_INLINE_COMPLETION, params, id)

    def send(self, method: str, params: object, id: str | None = None) -> asyncio.Future[Any] | None:
        """Send what pygls would not, because it is not LSP; the answer, if it is a request."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.protocol._send_data(message if id is None else {"id": id, **message})
        if id is None:
            return None
        answer: Future[Any] = Future()
        self.protocol._request_futures[id] = answer
        return asyncio.wrap_future(answer)

    def configure(self, settings: dict[str, Any] | None) -> None:
        self.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))

    async def command(self, name: str, *arguments: Any) -> Any:
        """Run one of the server's commands."""
        call = types.ExecuteCommandParams(f"lacuna.{name}", list(arguments))
        return await asyncio.wait_for(self.workspace_execute_command_async(call), PATIENCE)

    async def statistics(self) -> dict[str, Any]:
        return await self.command("statistics")

    async def watched(self) -> list[Any]:
        """Wait until the last frame of a request has come, and take all there are."""
        async with asyncio.timeout(PATIENCE):
            while not self.frames or not self.frames[-1].done:
                self._changed.clear()
                await self._changed.wait()
        frames, self.frames = self.frames, []
        return frames

    async def server_exit(self, server: asyncio.subprocess.Process) -> None:
        self.exit_code = server.returncode
        self.exited.set()

    def _log(self, params: types.LogMessageParams) -> None:
        self.logs.append(params.message)
        self._changed.set()

    def _message(self, params: types.ShowMessageParams) -> None:
        self.messages.append(params.message)

    def _question(self, params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
        self.questions.append(params.message)
        self._changed.set()
        self._take()
        return self.answer

    def _take(self) -> None:
        if self.refuses:
            raise JsonRpcException("not here")

    def _status(self, params: Any) -> None:
        self.states.append(params.state)
        self.status = params.message
        self._changed.set()

    def _frame(self, params: Any) -> None:
        self.frames.append(params)
        self._changed.set()

    def _register(self, params: types.RegistrationParams) -> None:
        self.registered += [registration.method for registration in params.registrations]


@asynccontextmanager
async def started(
    settings: dict[str, Any] | None = None,
    *,
    encodings: tuple[str, ...] = ("utf-16",),
    name: str = "lacuna-tests",
    shows_progress: bool = False,
    answer: str | None = None,
    refuses: bool = False,
    arguments: Sequence[str] = (),
    **environment: str,
) -> AsyncIterator[tuple[Client, types.InitializeResult]]:
    """A client with a server process of its own, initialized; at the end the server ends of its own accord. The model
    is the embedded one where none is set, whatever else was pulled. `answer`: to every question; without one it takes
    no questions. `refuses`: it says that it takes questions and progress, and answers them with errors."""
    client = Client()
    client.answer, client.refuses = types.MessageActionItem(answer) if answer else None, refuses
    await client.start_io(*SERVE, *arguments, env={**os.environ, **environment})
    try:
        takes_questions = answer is not None or refuses
        parameters = _parameters(settings, encodings, name, shows_progress or refuses, takes_questions)
        yield client, await _initialized(client, parameters)
        if not client.exited.is_set():
            await _say_goodbye(client)
            await asyncio.wait_for(client.exited.wait(), PATIENCE)
    finally:
        if client._server is not None and client._server.returncode is None:
            client._server.kill()
        await client.stop()


@asynccontextmanager
async def listening(**environment: str) -> AsyncIterator[tuple[str, int, str]]:
    """A server process that listens somewhere: its address and the token."""
    process = await asyncio.create_subprocess_exec(
        *SERVE, "--tcp", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    try:
        assert process.stderr is not None
        lines = [await asyncio.wait_for(process.stderr.readline(), PATIENCE) for _ in range(2)]
        address, token = (line.decode().strip() for line in lines)
        host, _, port = address.removeprefix("listening on ").rpartition(":")
        yield host, int(port), token.removeprefix("token: ")
    finally:
        process.kill()
        await process.communicate()


@asynccontextmanager
async def connected(
    host: str, port: int, token: str, settings: dict[str, Any], answer: str | None = None
) -> AsyncIterator[Client]:
    """A client of such a server. `answer`: as of `started`."""
    client = Client()
    client.answer = types.MessageActionItem(answer) if answer else None
    await client.start_tcp(host, port)
    await _initialized(client, _parameters({**settings, "token": token}, takes_questions=answer is not None))
    yield client
    await _say_goodbye(client)
    await client.stop()


async def _initialized(client: Client, parameters: types.InitializeParams) -> types.InitializeResult:
    result = await asyncio.wait_for(client.initialize_async(parameters), PATIENCE)
    client.initialized(types.InitializedParams())
    return result


async def _say_goodbye(client: Client) -> None:
    await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
    client.exit(None)


def _parameters(
    settings: dict[str, Any] | None,
    encodings: tuple[str, ...] = ("utf-16",),
    name: str = "lacuna-tests",
    shows_progress: bool = False,
    takes_questions: bool = False,
) -> types.InitializeParams:
    items = types.ClientShowMessageActionItemOptions()
    questions = types.ShowMessageRequestClientCapabilities(items) if takes_questions else None
    inline = types.InlineCompletionClientCapabilities(dynamic_registration=True)
    plain = types.CompletionClientCapabilities(dynamic_registration=True)
    capabilities = types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=list(encodings)),
        text_document=types.TextDocumentClientCapabilities(completion=plain, inline_completion=inline),
        notebook_document=types.NotebookDocumentClientCapabilities(types.NotebookDocumentSyncClientCapabilities()),
        workspace=types.WorkspaceClientCapabilities(configuration=True),
        window=types.WindowClientCapabilities(work_done_progress=shows_progress, show_message=questions),
    )
    info = types.ClientInfo(name)
    return types.InitializeParams(
        capabilities,
        process_id=os.getpid(),
        client_info=info,
        initialization_options={"model": model_store.EMBEDDED, **(settings or {})},
    )
