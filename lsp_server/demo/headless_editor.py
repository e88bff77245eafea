"""An editor without a window: opens texts in `lacuna serve`, types into them and asks for suggestions, over stdio."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from lacuna.lsp_server.documents.text import Place, Position, Text
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.model.lifecycle import State
from lacuna.lsp_server.protocol.names import COPILOT_STATUS, NEXT_EDIT, STATISTICS, STATUS
from lacuna.lsp_server.telemetry.statistics import Outcome

T = TypeVar("T")

PATIENCE = 30.0  # seconds; longer than any answer takes
LOADING_PATIENCE = 600.0  # 18 GB from a slow disk


class ServerFailed(Exception):
    """The server did not start, went away, or said that it cannot work; the message is its own."""


@dataclass
class OpenText:
    """A text in an editor, with the cursor as an index into it."""

    uri: str
    text: Text
    cursor: int
    version: int = 0

    @property
    def place(self) -> Place:
        """The cursor."""
        return self.text.place_at(self.cursor)


@dataclass(frozen=True)
class Offer:
    """A suggestion: `text` replaces what lies between two indices into the document."""

    text: str
    start: int
    end: int
    command: types.Command | None  # to be run once it was accepted


@dataclass(frozen=True)
class Answer:
    """What came back: suggestions, the best first; how the server says that it went; and how long it took."""

    offers: tuple[Offer, ...]
    outcome: Outcome | Reason
    ms: float


class Editor:
    """One server process. Use `start` first and `stop` last. Error messages of the server are failures."""

    def __init__(self, has_daemon: bool = False) -> None:
        """`has_daemon`: its server is a part of the user's daemon."""
        self._arguments = () if has_daemon else ("--no-daemon",)
        self._client = _Client()
        self._complaints: list[str] = []
        self._state: State | None = None
        self._outcomes: dict[str, int] = {}
        # pygls marks the functions that it is given, and a bound method cannot be marked.
        self._client.feature(types.WINDOW_SHOW_MESSAGE)(lambda message: self._show_message(message))
        self._client.feature(types.WINDOW_LOG_MESSAGE)(lambda message: None)  # pygls warns of what nobody listens to
        self._client.feature(COPILOT_STATUS)(lambda status: None)  # says the same as STATUS
        self._client.feature(STATUS)(lambda status: self._show_status(status))

    async def start(self, directory: Path, settings: dict[str, object]) -> None:
        """Start a server on a project directory. Raises ServerFailed."""
        # -P: modules of the project that is edited must not be imported.
        await self._client.start_io(sys.executable, "-P", "-m", "lacuna.lsp_server", "serve", *self._arguments)
        folder = types.WorkspaceFolder(directory.as_uri(), directory.name)
        inline = types.InlineCompletionClientCapabilities()
        parameters = types.InitializeParams(
            types.ClientCapabilities(text_document=types.TextDocumentClientCapabilities(inline_completion=inline)),
            process_id=os.getpid(),
            workspace_folders=[folder],
            initialization_options={"statistics": False, **settings},  # nobody's work is done here
        )
        await self._answered(self._client.initialize_async(parameters))
        self._client.initialized(types.InitializedParams())

    async def ready(self) -> None:
        """Wait until the server says that the model is loaded. Raises ServerFailed."""
        deadline = time.monotonic() + LOADING_PATIENCE
        while self._state is not State.READY:
            self._raise_what_failed()
            if time.monotonic() > deadline:
                raise ServerFailed(f"the model was not ready after {LOADING_PATIENCE:.0f} s")
            await asyncio.sleep(0.01)

    def open(self, path: Path, text: str, cursor: int, language: str = "python") -> OpenText:
        """Open a file, with a text that may differ from that on the disk."""
        document = OpenText(path.as_uri(), Text(text), cursor)
        item = types.TextDocumentItem(document.uri, language, document.version, text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return document

    def close(self, document: OpenText) -> None:
        """Close a file; what was typed is not kept."""
        identifier = types.TextDocumentIdentifier(document.uri)
        self._client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))

    def type(self, document: OpenText, text: str) -> None:
        """Insert at the cursor, as one edit."""
        self._replace(document, document.cursor, document.cursor, text)

    async def suggest(self, document: OpenText) -> Answer:
        """Ask as editors do after a keystroke. Raises ServerFailed."""
        start = time.perf_counter()
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        identifier = types.TextDocumentIdentifier(document.uri)
        parameters = types.InlineCompletionParams(context, identifier, self._position(document, document.cursor))
        result = await self._answered(self._client.text_document_inline_completion_async(parameters))
        milliseconds = (time.perf_counter() - start) * 1000
        items = result.items if isinstance(result, types.InlineCompletionList) else result or []
        return Answer(tuple(self._offer(document, item) for item in items), await self._last_outcome(), milliseconds)

    async def next_edit(self, document: OpenText) -> bool:
        """Ask for the edit that follows from what was typed; whether there is one. Raises ServerFailed."""
        position = self._position(document, document.cursor)
        parameters = {
            "textDocument": {"uri": document.uri, "version": document.version},
            "position": {"line": position.line, "character": position.character},
        }
        answer = await self._answered(self._client.ask(NEXT_EDIT, parameters))
        return bool(answer.edits)

    async def accept(self, document: OpenText, offer: Offer) -> None:
        """Put a suggestion into the text and the cursor behind it. Raises ServerFailed."""
        self._replace(document, offer.start, offer.end, offer.text)
        if offer.command is not None:
            call = types.ExecuteCommandParams(offer.command.command, offer.command.arguments)
            await self._answered(self._client.workspace_execute_command_async(call))

    async def statistics(self) -> dict[str, Any]:
        """The server's counts and milliseconds. Raises ServerFailed."""
        call = types.ExecuteCommandParams(STATISTICS)
        statistics = await self._answered(self._client.workspace_execute_command_async(call))
        assert isinstance(statistics, dict), "the server always has statistics"
        return statistics

    @property
    def process_id(self) -> int:
        """The server's."""
        assert self._client._server is not None, "start comes first"
        return self._client._server.pid

    async def stop(self) -> None:
        """Ask the server to end, and end it where it does not."""
        try:
            await self._answered(self._client.shutdown_async(None))
            self._client.exit(None)
            await asyncio.wait_for(self._client.gone.wait(), PATIENCE)
        except (ServerFailed, TimeoutError):
            self._client.kill()
        await self._client.stop()

    def _show_message(self, message: types.ShowMessageParams) -> None:
        if message.type == types.MessageType.Error:
            self._complaints.append(message.message)

    def _show_status(self, status: Any) -> None:
        self._state = State(status.state)

    def _replace(self, document: OpenText, start: int, end: int, new: str) -> None:
        """Change a document, and tell the server by the smallest edit."""
        span = types.Range(self._position(document, start), self._position(document, end))
        document.text = document.text.replace(document.text.place_at(start), document.text.place_at(end), new)
        document.cursor = start + len(new)
        document.version += 1
        identifier = types.VersionedTextDocumentIdentifier(document.version, document.uri)
        change = types.TextDocumentContentChangePartial(span, new)
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))

    def _offer(self, document: OpenText, item: types.InlineCompletionItem) -> Offer:
        assert isinstance(item.insert_text, str), "a snippet, which this editor has not said it can show"
        if item.range is None:
            return Offer(item.insert_text, document.cursor, document.cursor, item.command)
        start, end = (self._index(document, position) for position in (item.range.start, item.range.end))
        return Offer(item.insert_text, start, end, item.command)

    async def _last_outcome(self) -> Outcome | Reason:
        """How the last request ended, by the server's own counts."""
        before, self._outcomes = self._outcomes, dict((await self.statistics())["outcomes"])
        grown = next(name for name, count in self._outcomes.items() if count > before.get(name, 0)).upper()
        return Outcome[grown] if grown in Outcome.__members__ else Reason[grown]

    async def _answered(self, request: Coroutine[Any, Any, T]) -> T:
        try:
            self._raise_what_failed()
        except ServerFailed:
            request.close()  # or Python warns that nobody awaited it
            raise
        try:
            return await asyncio.wait_for(request, PATIENCE)
        except TimeoutError as error:
            raise ServerFailed(f"the server did not answer in {PATIENCE:.0f} s") from error
        except JsonRpcException as error:
            raise ServerFailed(f"the server answered with an error: {error}") from error
        except RuntimeError as error:  # pygls' word for a server that went away
            await self._client.gone.wait()
            raise ServerFailed(f"the server went away: {self._client.last_words}") from error

    def _raise_what_failed(self) -> None:
        if self._client.gone.is_set():
            raise ServerFailed(f"the server went away: {self._client.last_words}")
        if self._complaints:
            raise ServerFailed("; ".join(self._complaints))

    @staticmethod
    def _position(document: OpenText, index: int) -> types.Position:
        position = document.text.position(document.text.place_at(index), "utf-16")
        return types.Position(position.line, position.character)

    @staticmethod
    def _index(document: OpenText, position: types.Position) -> int:
        return document.text.offset(document.text.place(Position(position.line, position.character), "utf-16"))


class _Client(LanguageClient):
    """Knows when its server has ended, and the last line that it wrote to stderr."""

    def __init__(self) -> None:
        super().__init__("lacuna-editor", "1")
        self.gone = asyncio.Event()
        self.last_words = ""

    async def ask(self, method: str, parameters: object) -> Any:
        """A request that LSP does not know."""
        return await self.protocol.send_request_async(method, parameters)

    async def server_exit(self, server: asyncio.subprocess.Process) -> None:
        assert server.stderr is not None, "pygls gives its servers a pipe for stderr"
        lines = (await server.stderr.read()).decode("utf-8", "replace").split("\n")
        self.last_words = next((line for line in reversed(lines) if line.strip()), f"exit code {server.returncode}")
        self.gone.set()

    def kill(self) -> None:
        if self._server is not None and self._server.returncode is None:
            self._server.kill()
