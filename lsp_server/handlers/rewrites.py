"""The command that rewrites a block as an instruction says, for models that follow instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from lacuna.lsp_server.documents.store import Document
from lacuna.lsp_server.documents.text import Place, Position
from lacuna.lsp_server.edits.rewrite import Rewrite
from lacuna.lsp_server.handlers.workspace_edits import confirmed_edit
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import names

_LABEL = 60  # characters of an instruction that a preview shows


async def _rewrite(ls: LacunaServer, arguments: Any) -> types.WorkspaceEdit:
    uri, instruction = _field(arguments, "textDocument", "uri"), _field(arguments, "instruction")
    if not isinstance(uri, str):
        raise JsonRpcInvalidParams("textDocument.uri is a text")
    if not isinstance(instruction, str) or not instruction.strip():
        raise _failed("say what to do with the code: `instruction` is empty")
    if not ls.edits.is_welcome(uri):
        raise _failed("this document is not open, or Lacuna is to leave it alone")
    if not ls.edits.can_rewrite:
        raise _failed(
            f"the model {ls.lifecycle.worker.model or ls.config.model} is not ready or follows no instructions: choose "
            "a DiffusionGemma as `model`, or use the code actions that refill a block"
        )
    document = ls.documents.get(uri)
    rewrite = Rewrite.of(document, *(_place(ls, document, _field(arguments, "range", end)) for end in ("start", "end")))
    if rewrite is None:
        raise _failed("there is nothing to rewrite: select some code")
    text = document.text
    replacement = await ls.at_work(ls.edits.rewrite(text, rewrite, instruction))
    if not ls.documents.has(text):
        raise JsonRpcException(
            "the document has changed meanwhile: nothing was edited", types.LSPErrorCodes.ContentModified
        )
    if replacement is None:
        raise _failed("something else was asked for meanwhile, or the model failed")
    if isinstance(replacement, Reason):
        raise _failed(f"there is no other code to show: {replacement.value}")
    return confirmed_edit(ls, uri, replacement, f"Lacuna: {instruction.strip()[:_LABEL]}")


def _place(ls: LacunaServer, document: Document, position: Any) -> Place:
    line, character = _field(position, "line"), _field(position, "character")
    if not (isinstance(line, int) and isinstance(character, int)):
        raise JsonRpcInvalidParams("a position's line and character are integers")
    return document.text.place(Position(line, character), ls.documents.encoding)


def _field(arguments: Any, *path: str) -> Any:
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, dict) else getattr(arguments, name, None)
        if arguments is None:
            raise JsonRpcException(f"{names.REWRITE} needs {'.'.join(path)}", types.ErrorCodes.InvalidParams)
    return arguments


def _failed(message: str) -> JsonRpcException:
    return JsonRpcException(message, types.LSPErrorCodes.RequestFailed)


COMMANDS: dict[str, Callable[..., object]] = {names.REWRITE: _rewrite}
