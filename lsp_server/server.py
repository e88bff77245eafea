"""The language server: LSP's requests and notifications, each handed on to what it is about."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.io_ import run_async
from pygls.lsp.server import LanguageServer

from engine import runtime
from lsp_server import log, messages
from lsp_server.completer import Completer
from lsp_server.config import Config, from_client
from lsp_server.documents import DocumentStore
from lsp_server.idle_parsing import IdleParsing
from lsp_server.loader import Loader, State, Status
from lsp_server.messages import Protocol
from lsp_server.request import Item, Request
from lsp_server.statistics import Statistics
from lsp_server.transport import Paced, StdoutWriter, host_and_port, stdin_reader
from lsp_server.worker import Worker

if TYPE_CHECKING:
    from pygls.io_ import AsyncWriter, Writer

_log = logging.getLogger(__name__)


def serve(tcp: str | None = None) -> NoReturn:
    """Serve one client on stdin and stdout, or all that connect to `tcp`, a HOST:PORT, with one model for all of them.

    Ends the process, with 0 if the client on stdio said goodbye. Raises ValueError for an address that is none, and
    OSError where it cannot listen.
    """
    runtime.prepare_environment()
    log.log_to_stderr(logging.WARNING if tcp is None else logging.DEBUG)  # an editor shows its client's log anyway
    worker = Worker()
    try:
        code = asyncio.run(_serve_stdio(worker) if tcp is None else _serve_tcp(worker, *host_and_port(tcp)))
    except KeyboardInterrupt:
        code = 130  # as a shell says of a process that was interrupted
    logging.shutdown()
    os._exit(code)  # sys.exit would wait for the model that may be loading in the engine's thread


async def _serve_stdio(worker: Worker) -> int:
    server = create_server(worker)
    await server.converse(stdin_reader(), StdoutWriter(server.protocol.ended.set))
    return 0 if server.was_shut_down else 1


async def _serve_tcp(worker: Worker, host: str, port: int) -> int:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await create_server(worker).converse(reader, writer)
        writer.close()

    listening = await asyncio.start_server(talk, host, port)
    for socket in listening.sockets:
        print("listening on {}:{}".format(*socket.getsockname()), file=sys.stderr, flush=True)
    await listening.serve_forever()
    return 0


class LacunaServer(LanguageServer):
    """One client's settings, documents and requests."""

    protocol: Protocol

    def __init__(self, worker: Worker) -> None:
        version = importlib.metadata.version("lacuna")
        super().__init__("lacuna", version, notebook_document_sync=messages.NOTEBOOK_SYNC, protocol_cls=Protocol)
        self.config = self.initial_config = Config()
        self.initial_problems: list[str] = []
        self.documents = DocumentStore()
        self.statistics = Statistics()
        self.completer = Completer(self.documents, worker, self.statistics)
        self.was_shut_down = False
        self._loader = Loader(worker, self._tell)
        self._sync_ms = 0.0  # what the last change of a document took
        self._shown: set[str] = set()
        self._parsing = IdleParsing(self.documents, lambda: self.completer.is_busy)

    async def converse(self, reader: asyncio.StreamReader, writer: AsyncWriter | Writer) -> None:
        """Serve the client until it leaves."""
        client_log = log.ClientLog(self._log_message)
        log.add(client_log)
        self.protocol.set_writer(writer)
        try:
            await run_async(self.protocol.ended, Paced(reader), self.protocol, error_handler=self.report_server_error)
        except ConnectionError:
            _log.info("the client is gone")
        finally:
            log.remove(client_log)
            self.completer.cancel()
            self._loader.stop()
            self._parsing.stop()

    def apply(self, config: Config, problems: Sequence[str]) -> None:
        """From now on by these settings; `problems` says what was wrong with what was sent."""
        log.set_level(config.log_level)
        for problem in problems:
            _log.warning("settings: %s", problem)
            self.show(f"Lacuna: {problem}", types.MessageType.Warning)
        self.config = config
        self.completer.configure(config)
        if config.enabled:
            self._loader.load(config.model_choice)
        else:
            self._loader.unload()

    async def complete(self, request: Request) -> list[Item] | None:
        """Suggestions; None where that cannot be said, also where the model fails: the status tells why."""
        self._loader.retry()
        with self._loader.at_work():
            return await self.completer.complete(request, self._sync_ms)
        return None

    def changed(self, start: float) -> None:
        """Documents were opened or changed since `start`, a time.perf_counter()."""
        self._sync_ms = (time.perf_counter() - start) * 1000.0
        self._parsing.wake()

    def show(self, message: str, kind: types.MessageType) -> None:
        """A message that a user has to see, and need not see twice."""
        if message not in self._shown:
            self._shown.add(message)
            self.window_show_message(types.ShowMessageParams(kind, message))

    def report_server_error(self, error: Exception, source: object) -> None:
        """Where pygls reports what went wrong. An error's message may quote the document, so it is left out."""
        data = getattr(error, "data", None)
        trace = data["traceback"] if isinstance(data, dict) else traceback.format_tb(error.__traceback__)
        kind = error.message.partition(":")[0] if isinstance(error, JsonRpcException) else type(error).__name__
        _log.error("%s\n%s", kind, "".join(trace))

    def _tell(self, status: Status) -> None:
        self.protocol.notify(messages.STATUS, {"state": status.state.value, "message": status.message})
        if status.state is State.ERROR:
            self.show(f"Lacuna: {status.message}", types.MessageType.Error)

    def _log_message(self, level: int, message: str) -> None:
        if not self.protocol.ended.is_set():
            self.window_log_message(messages.log_message(level, message))


def create_server(worker: Worker) -> LacunaServer:
    """A server for one client, with all that it can be asked."""
    server = LacunaServer(worker)
    for method, handler in _HANDLERS.items():
        # pygls' own of these keep a second copy of every document, and its lines are wrong after a form feed.
        if method.startswith(("textDocument/", "notebookDocument/")):
            del server.protocol.fm.builtin_features[method]
        server.feature(method)(handler)
    server.command(messages.ACCEPTED)(_accepted)
    server.command(messages.STATISTICS)(_statistics)
    return server


def _initialize(ls: LacunaServer, params: types.InitializeParams) -> None:
    ls.documents.encoding = messages.encoding(ls.workspace.position_encoding)
    ls.initial_config, ls.initial_problems = from_client(params.initialization_options)
    _add_completions(ls, ls.initial_config)


def _initialized(ls: LacunaServer, _: types.InitializedParams) -> None:
    ls.apply(ls.initial_config, ls.initial_problems)


def _shutdown(ls: LacunaServer, _: None) -> None:
    ls.was_shut_down = True
    ls.completer.cancel()


async def _did_change_configuration(ls: LacunaServer, params: types.DidChangeConfigurationParams) -> None:
    settings = params.settings
    if settings is None and messages.answers_configuration(ls.client_capabilities):
        (settings,) = await ls.workspace_configuration_async(messages.CONFIGURATION)
    ls.apply(*from_client(settings, ls.initial_config))
    registrations = _add_completions(ls, ls.config)
    if registrations and messages.registers_completion(ls.client_capabilities):
        await ls.client_register_capability_async(types.RegistrationParams(registrations))
    elif registrations:
        ls.show("Lacuna: restart the server for the new value of 'completion'", types.MessageType.Warning)


def _add_completions(ls: LacunaServer, config: Config) -> list[types.Registration]:
    """Have the methods that the settings ask for; what to tell a client of those that are new."""
    added = []
    for method, (handler, options) in _COMPLETIONS.items():
        wanted = config.inline if method == types.TEXT_DOCUMENT_INLINE_COMPLETION else config.plain
        if wanted and method not in ls.protocol.fm.features:
            ls.feature(method, options)(handler)
            added.append(messages.registration(method, options))
    return added


async def _inline_completion(
    ls: LacunaServer, params: types.InlineCompletionParams
) -> list[types.InlineCompletionItem] | None:
    return messages.inline_items(await ls.complete(messages.inline_request(params))) if ls.config.inline else None


async def _completion(ls: LacunaServer, params: types.CompletionParams) -> types.CompletionList | None:
    return messages.completion_list(await ls.complete(messages.completion_request(params))) if ls.config.plain else None


def _accepted(ls: LacunaServer, item: int) -> None:
    ls.statistics.accepted()


def _statistics(ls: LacunaServer) -> dict[str, object]:
    return ls.statistics.report()


def _did_open(ls: LacunaServer, params: types.DidOpenTextDocumentParams) -> None:
    start = time.perf_counter()
    _open(ls, params.text_document)
    ls.changed(start)


def _open(ls: LacunaServer, document: types.TextDocumentItem) -> None:
    ls.documents.open(document.uri, document.language_id, document.version, document.text)
    ls.completer.opened(document.uri, document.language_id)


def _did_change(ls: LacunaServer, params: types.DidChangeTextDocumentParams) -> None:
    start = time.perf_counter()
    document = params.text_document
    ls.documents.change(document.uri, document.version, messages.edits(params.content_changes))
    ls.changed(start)


def _did_close(ls: LacunaServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.documents.close(params.text_document.uri)
    ls.completer.closed(params.text_document.uri)


def _notebook_did_open(ls: LacunaServer, params: types.DidOpenNotebookDocumentParams) -> None:
    start = time.perf_counter()
    notebook = params.notebook_document
    ls.documents.open_notebook(notebook.uri, [cell.document for cell in notebook.cells])
    for document in params.cell_text_documents:
        _open(ls, document)
    ls.changed(start)


def _notebook_did_change(ls: LacunaServer, params: types.DidChangeNotebookDocumentParams) -> None:
    start = time.perf_counter()
    cells = params.change.cells or types.NotebookDocumentCellChanges()
    if cells.structure is not None:
        array = cells.structure.array
        new = [cell.document for cell in array.cells or ()]
        ls.documents.change_notebook(params.notebook_document.uri, array.start, array.delete_count, new)
        for closed in cells.structure.did_close or ():
            ls.documents.close(closed.uri)
            ls.completer.closed(closed.uri)
        for opened in cells.structure.did_open or ():
            _open(ls, opened)
    for content in cells.text_content or ():
        ls.documents.change(content.document.uri, content.document.version, messages.edits(content.changes))
    ls.changed(start)


def _notebook_did_close(ls: LacunaServer, params: types.DidCloseNotebookDocumentParams) -> None:
    ls.documents.close_notebook(params.notebook_document.uri)
    for cell in params.cell_text_documents:
        ls.completer.closed(cell.uri)


_HANDLERS: dict[str, Callable[..., object]] = {
    types.INITIALIZE: _initialize,
    types.INITIALIZED: _initialized,
    types.SHUTDOWN: _shutdown,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: _did_change_configuration,
    types.TEXT_DOCUMENT_DID_OPEN: _did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: _did_change,
    types.TEXT_DOCUMENT_DID_CLOSE: _did_close,
    types.NOTEBOOK_DOCUMENT_DID_OPEN: _notebook_did_open,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: _notebook_did_change,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: _notebook_did_close,
}
_COMPLETIONS: dict[str, tuple[Callable[..., object], Any]] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: (_inline_completion, messages.INLINE_COMPLETION_OPTIONS),
    types.TEXT_DOCUMENT_COMPLETION: (_completion, messages.COMPLETION_OPTIONS),
}
