"""Next edits in the form that editors know from Copilot's language server, and what they report about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lacuna.lsp_server.completion.request import Request
from lacuna.lsp_server.edits.next_edit.offers import Offer
from lacuna.lsp_server.handlers.workspace_edits import range_of
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert, names


async def _inline_edit(ls: LacunaServer, params: Any) -> dict[str, Any]:
    """At most one edit, of the version that is asked about. A client that asks for no completions is offered what one
    would be, where the user types: the next edit is to go on there."""
    uri, position = convert.document_position(params)
    if not ls.edits.is_welcome(uri):
        return {"edits": []}
    version = getattr(params.textDocument, "version", None)
    if version is not None and version != ls.documents.get(uri).version:
        return {"edits": []}
    if not ls.asks_completions and ls.edits.is_typing(uri, position):
        text = ls.documents.get(uri).text
        items = await ls.complete(Request(uri, position, Trigger.AUTOMATIC))
        if items is None or not ls.documents.has(text):  # a newer request came, or the document moved on
            return {"edits": []}
        if items and (fill := ls.edits.at_cursor(uri, items[0].text, items[0].start, items[0].end)) is not None:
            return {"edits": [_edit(ls, fill)]}
    offer = await ls.at_work(ls.edits.next_edit(uri, position))
    return {"edits": [_edit(ls, offer)] if isinstance(offer, Offer) else []}


def _edit(ls: LacunaServer, offer: Offer) -> dict[str, Any]:
    return {
        "text": offer.replacement.text,
        "textDocument": {"uri": offer.uri, "version": offer.version},
        "range": range_of(ls, offer.uri, offer.replacement),
        "command": {"title": "Lacuna: accepted", "command": names.EDIT_ACCEPTED, "arguments": [offer.id]},
    }


def _did_show(ls: LacunaServer, params: Any) -> None:
    ids: Sequence[int] = params.item.command.arguments
    ls.edits.offers.show(ids[0])


def _did_focus(ls: LacunaServer, params: Any) -> None:
    """Another document: what is looked for in the one before is not wanted any more."""
    ls.edits.focus(getattr(getattr(params, "textDocument", None), "uri", None))


def _accepted(ls: LacunaServer, id: int) -> None:
    ls.edits.offers.accept(id)


def _dismissed(ls: LacunaServer, id: int) -> None:
    ls.edits.offers.dismiss(id)


FEATURES: dict[str, Callable[..., object]] = {
    names.NEXT_EDIT: _inline_edit,
    names.DID_SHOW_EDIT: _did_show,
    names.DID_FOCUS: _did_focus,
}
COMMANDS: dict[str, Callable[..., object]] = {names.EDIT_ACCEPTED: _accepted, names.DISMISSED: _dismissed}
