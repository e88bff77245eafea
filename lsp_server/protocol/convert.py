"""Converts between lsprotocol's types and ours: positions and edits in, suggestions out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, get_args

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcInvalidParams

from lacuna.lsp_server.completion.frames import Picture
from lacuna.lsp_server.completion.item_shape import ItemShape
from lacuna.lsp_server.completion.request import Item, Request, Selected
from lacuna.lsp_server.documents.text import Edit, Encoding, Position
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.model.model_choices import ModelOption
from lacuna.lsp_server.protocol import names

MENU_LABEL = 60  # characters of a suggestion that the completion menu shows

# As a user types such a sign, editors ask for completions anew.
COMPLETION_OPTIONS = types.CompletionOptions(trigger_characters=list(".([{=,:"))
INLINE_COMPLETION_OPTIONS = types.InlineCompletionOptions()
NOTEBOOK_SYNC = types.NotebookDocumentSyncOptions(
    notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")]
)
CONFIGURATION = types.ConfigurationParams([types.ConfigurationItem(section="lacuna")])

_LEVELS = {
    logging.DEBUG: types.MessageType.Log,
    logging.INFO: types.MessageType.Info,
    logging.WARNING: types.MessageType.Warning,
}


def encoding(negotiated: str | None) -> Encoding:
    """The encoding of positions that pygls has negotiated."""
    return next(known for known in get_args(Encoding) if known == negotiated)


def answers_configuration(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client can be asked for its settings."""
    return bool(get_capability(capabilities, "workspace.configuration", False))


def shows_progress(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client shows the progress of what the server does of its own accord."""
    return bool(get_capability(capabilities, "window.work_done_progress", False))


def shows_questions(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client shows messages with answers to choose from."""
    return get_capability(capabilities, "window.show_message.message_action_item") is not None


def registers_completion(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client can be told of completion methods later than at the start."""
    of_each = (getattr(capabilities.text_document, method, None) for method in ("completion", "inline_completion"))
    return all(capability is not None and capability.dynamic_registration for capability in of_each)


def registration(method: str, options: types.CompletionOptions | types.InlineCompletionOptions) -> types.Registration:
    """For all documents that the client sends."""
    if isinstance(options, types.CompletionOptions):
        signs = options.trigger_characters
        return types.Registration(method, method, types.CompletionRegistrationOptions(trigger_characters=signs))
    return types.Registration(method, method, types.InlineCompletionRegistrationOptions())


def log_message(level: int, message: str) -> types.LogMessageParams:
    return types.LogMessageParams(_LEVELS.get(level, types.MessageType.Error), message)


def copilot_status(state: str, message: str) -> dict[str, Any]:
    """Our status in the words of Copilot's server."""
    kind = {"error": "Error", "off": "Inactive"}.get(state, "Normal")
    return {"busy": state in ("loading", "busy"), "message": message, "kind": kind}


def position(of: types.Position) -> Position:
    """A position that a client sent."""
    return Position(of.line, of.character)


def edits(changes: Sequence[types.TextDocumentContentChangeEvent]) -> list[Edit]:
    """The changes of one notification."""
    return [
        Edit(position(change.range.start), position(change.range.end), change.text)
        if isinstance(change, types.TextDocumentContentChangePartial)
        else Edit(None, None, change.text)
        for change in changes
    ]


def inline_request(params: types.InlineCompletionParams, shape: ItemShape) -> Request:
    invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    info = params.context.selected_completion_info
    selected = Selected(position(info.range.start), position(info.range.end), info.text) if info else None
    trigger = Trigger.INVOKED if invoked else Trigger.AUTOMATIC
    return Request(params.text_document.uri, position(params.position), trigger, selected, shape)


def completion_request(params: types.CompletionParams) -> Request:
    """Always automatic: menus open by themselves, and say that they were invoked at every letter."""
    return Request(params.text_document.uri, position(params.position), Trigger.AUTOMATIC, shape=ItemShape.WORD)


def document_position(params: Any) -> tuple[str, Position]:
    """The URI and the position of a request that is not LSP's own. Raises JsonRpcInvalidParams."""
    document, at = getattr(params, "textDocument", None), getattr(params, "position", None)
    uri, line, character = getattr(document, "uri", None), getattr(at, "line", None), getattr(at, "character", None)
    if not (isinstance(uri, str) and isinstance(line, int) and isinstance(character, int)):
        raise JsonRpcInvalidParams("textDocument.uri and position with line and character are needed")
    return uri, Position(line, character)


def frames(picture: Picture) -> dict[str, object]:
    return {
        "textDocument": {"uri": picture.uri, "version": picture.version},
        "position": {"line": picture.position.line, "character": picture.position.character},
        "request": picture.request,
        "step": picture.step,
        "cells": [{"text": text, "accepted": accepted} for text, accepted in picture.cells],
        "done": picture.done,
        "before": picture.before,
        "after": picture.after,
    }


def model_option(option: ModelOption) -> dict[str, object]:
    directory = option.directory
    return {
        "name": option.name,
        "pulled": directory is not None,
        "directory": None if directory is None else str(directory),
        "note": option.note,
    }


def item_id(item: Any) -> int:
    """The id of an item that a client sends back, from the arguments of its command. Raises JsonRpcInvalidParams."""
    try:
        return int(item.command.arguments[0])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise JsonRpcInvalidParams("this is no item of Lacuna's") from error


def inline_items(items: Sequence[Item] | None) -> list[types.InlineCompletionItem] | None:
    if items is None:
        return None
    return [types.InlineCompletionItem(item.text, range=_range(item), command=_accepted(item)) for item in items]


def completion_list(items: Sequence[Item] | None) -> types.CompletionList | None:
    """Incomplete, so that the editor asks again at the next letter."""
    if items is None:
        return None
    return types.CompletionList(is_incomplete=True, items=[_completion_item(item) for item in items])


def _completion_item(item: Item) -> types.CompletionItem:
    first_line = item.text.strip().partition("\n")[0].rstrip()
    label = first_line if len(first_line) <= MENU_LABEL else first_line[: MENU_LABEL - 1] + "…"
    return types.CompletionItem(
        label=label,
        kind=types.CompletionItemKind.Snippet,
        detail="Lacuna",
        documentation=item.text,
        sort_text="\1",  # above all others; Emacs 28 refuses what holds NUL
        filter_text=item.text.partition("\n")[0].rstrip("\r"),
        insert_text_mode=types.InsertTextMode.AsIs,  # its lines are indented already
        text_edit=types.TextEdit(_range(item), item.text),
        command=_accepted(item),
    )


def _accepted(item: Item) -> types.Command:
    return types.Command("Lacuna: accepted", names.ACCEPTED, arguments=[item.id])


def _range(item: Item) -> types.Range:
    start, end = (types.Position(at.line, at.character) for at in (item.start, item.end))
    return types.Range(start, end)
