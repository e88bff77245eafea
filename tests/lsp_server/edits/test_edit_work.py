"""What edit suggestions do when documents change, close or get other settings while they are worked on. No model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from lsprotocol import types

from lacuna.lsp_server.config import DEFAULTS, Config
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Place, Position
from lacuna.lsp_server.edits.next_edit import search, service
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.search import MAX_PLACES
from lacuna.lsp_server.edits.refill.block import Block, Unit
from lacuna.lsp_server.edits.rewrite import Rewrite
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.handlers import documents as handlers
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker
from lacuna.lsp_server.server import create_server
from lacuna.lsp_server.setup import Setup

URI = "untitled:a.py"
CODE = "size = 1\nprint(size)\n"


class Waiting(Worker):
    """Is asked, and never answers."""

    def __init__(self) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase = Phase.READY
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def fill(self, *_: Any, **__: Any) -> Any:
        self.asked.set()
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    surprises = patch = rewrite = fill


class User:
    """Has one document open."""

    def __init__(self) -> None:
        self.worker = Waiting()
        self.documents = DocumentStore()
        self.edits = EditSuggestions(self.documents, Setup.of(DEFAULTS, self.worker))
        self.open(CODE)

    def open(self, text: str) -> None:
        self.documents.open(URI, "python", 1, text)
        self.edits.notice()

    def rename(self) -> None:
        self.documents.change(URI, 2, [Edit(Position(0, 0), Position(0, 4), "width")])
        self.edits.notice()

    def configure(self, config: Config) -> None:
        self.edits.configure(Setup.of(config, self.worker))

    def close(self) -> None:
        self.documents.close(URI)
        self.edits.notice()

    async def refill(self) -> asyncio.Task[Any]:
        snapshot = self.documents.snapshot(URI, Position(1, 0))
        block = Block(Unit.LINE, Place(1, 0), Place(1, 11))
        return await self._begun(self.edits.refill(snapshot, block, 0))

    async def rewrite(self, instruction: str = "shorter") -> asyncio.Task[Any]:
        document = self.documents.get(URI)
        rewrite = Rewrite.of(document, Place(0, 0), Place(1, 0))
        assert rewrite is not None
        return await self._begun(self.edits.rewrite(document.text, rewrite, instruction))

    async def next_edit(self) -> asyncio.Task[Any]:
        return await self._begun(self.edits.next_edit(URI, Position(0, 5)))

    async def _begun(self, work: Any) -> asyncio.Task[Any]:
        self.worker.asked.clear()
        task = asyncio.create_task(work)
        await asyncio.wait_for(self.worker.asked.wait(), 10.0)
        return task


@pytest.fixture
async def user() -> AsyncIterator[User]:
    user = User()
    yield user
    user.edits.cancel()


@pytest.mark.parametrize("end", [User.rename, User.close, lambda user: user.configure(Config(num_candidates=2))])
@pytest.mark.parametrize("begin", [User.refill, User.rewrite])
async def test_work_ends_with_what_it_is_about(user: User, begin: Any, end: Callable[[User], None]) -> None:
    task = await begin(user)
    end(user)
    assert await asyncio.wait_for(task, 5.0) is None
    assert user.worker.cancelled == 1


async def test_other_documents_change_nothing(user: User) -> None:
    task = await user.refill()
    user.documents.open("untitled:b.py", "python", 1, "b = 1\n")
    user.edits.notice()
    await asyncio.sleep(0.01)
    assert not task.done()


async def test_the_newest_instruction_counts(user: User) -> None:
    first = await user.rewrite()
    await user.rewrite("longer")
    assert await asyncio.wait_for(first, 5.0) is None


async def test_a_search_ends_when_its_document_is_closed(user: User) -> None:
    user.rename()
    task = await user.next_edit()
    user.close()
    assert await asyncio.wait_for(task, 5.0) is Quiet.SUPERSEDED
    user.open(CODE)
    user.rename()
    waiting = asyncio.create_task(user.edits.next_edit(URI, Position(0, 5)))
    await asyncio.sleep(0.01)
    user.close()
    assert await asyncio.wait_for(waiting, 5.0) is Quiet.SUPERSEDED, "also before it has begun"


async def test_a_search_that_takes_long_looks_at_no_further_place(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.close()
    user.open(CODE + "print(size)\n\n\n" * 20)
    user.rename()
    asked = 0

    async def find_nothing(*_: Any) -> tuple[()]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)
        return ()

    monkeypatch.setattr(user.worker, "surprises", find_nothing)
    monkeypatch.setattr(service, "BUDGET_SECONDS", 0.5)
    assert await user.edits.next_edit(URI, Position(0, 5)) is Quiet.OUT_OF_TIME
    assert 1 <= asked < MAX_PLACES


async def test_large_documents_are_not_scanned_where_requests_wait(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            threads.append(threading.current_thread())
            return function(*arguments)

        return run

    monkeypatch.setattr(search, "change_of", noted(search.change_of))
    monkeypatch.setattr(search, "changes_only_comments", noted(search.changes_only_comments))
    monkeypatch.setattr("lacuna.lsp_server.edits.next_edit.site.related_places", noted(lambda *_: []))
    user.rename()
    assert await user.edits.next_edit(URI, Position(0, 5)) is Quiet.NO_PLACE
    assert len(threads) == 3 and threading.main_thread() not in threads


@pytest.mark.parametrize("is_notebook", [False, True])
async def test_what_is_opened_again_was_not_edited(is_notebook: bool) -> None:
    models = Models()
    server = create_server(models)
    server.edits.configure(Setup.of(DEFAULTS, Waiting()))

    def tell(method: str, params: object) -> None:
        handlers.FEATURES[method](server, params)

    for text in (CODE, CODE.replace("size", "width")):
        item = types.TextDocumentItem(URI, "python", 1, text)
        if is_notebook:
            cell = types.NotebookCell(types.NotebookCellKind.Code, URI)
            notebook = types.NotebookDocument("untitled:n.ipynb", "jupyter-notebook", 1, [cell])
            tell(types.NOTEBOOK_DOCUMENT_DID_OPEN, types.DidOpenNotebookDocumentParams(notebook, [item]))
        else:
            tell(types.TEXT_DOCUMENT_DID_OPEN, types.DidOpenTextDocumentParams(item))
        assert await server.edits.next_edit(URI, Position(0, 0)) is Quiet.NO_EDIT
        identifier = types.TextDocumentIdentifier(URI)
        if is_notebook:
            closed = types.NotebookDocumentIdentifier("untitled:n.ipynb")
            tell(types.NOTEBOOK_DOCUMENT_DID_CLOSE, types.DidCloseNotebookDocumentParams(closed, [identifier]))
        else:
            tell(types.TEXT_DOCUMENT_DID_CLOSE, types.DidCloseTextDocumentParams(identifier))
    server._parsing.stop()
    models.close()
