"""Documents and notebooks that the editor opens, changes and closes."""

from __future__ import annotations

import time
from collections.abc import Callable

from lsprotocol import types

from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert


def _did_open(ls: LacunaServer, params: types.DidOpenTextDocumentParams) -> None:
    start = time.perf_counter()
    _open(ls, params.text_document)
    ls.changed(start)


def _did_change(ls: LacunaServer, params: types.DidChangeTextDocumentParams) -> None:
    start = time.perf_counter()
    document = params.text_document
    ls.documents.change(document.uri, document.version, convert.edits(params.content_changes))
    ls.changed(start)


def _did_close(ls: LacunaServer, params: types.DidCloseTextDocumentParams) -> None:
    start = time.perf_counter()
    ls.documents.close(params.text_document.uri)
    ls.completer.closed(params.text_document.uri)
    ls.changed(start)


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
        ls.documents.change(content.document.uri, content.document.version, convert.edits(content.changes))
    ls.changed(start)


def _notebook_did_close(ls: LacunaServer, params: types.DidCloseNotebookDocumentParams) -> None:
    start = time.perf_counter()
    ls.documents.close_notebook(params.notebook_document.uri)
    for cell in params.cell_text_documents:
        ls.completer.closed(cell.uri)
    ls.changed(start)


def _open(ls: LacunaServer, document: types.TextDocumentItem) -> None:
    ls.documents.open(document.uri, document.language_id, document.version, document.text)


FEATURES: dict[str, Callable[..., object]] = {
    types.TEXT_DOCUMENT_DID_OPEN: _did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: _did_change,
    types.TEXT_DOCUMENT_DID_CLOSE: _did_close,
    types.NOTEBOOK_DOCUMENT_DID_OPEN: _notebook_did_open,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: _notebook_did_change,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: _notebook_did_close,
}
