"""Code actions: blocks that can be refilled, worked out when the client resolves one."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types
from pygls.capabilities import get_capability

from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.refill import actions
from lacuna.lsp_server.edits.refill.actions import Action, Mark, Menu
from lacuna.lsp_server.edits.refill.block import TREE_MS, Block, Unit
from lacuna.lsp_server.handlers.workspace_edits import confirmed_edit
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.language_server import LacunaServer
from lacuna.lsp_server.protocol import convert

OPTIONS = types.CodeActionOptions(code_action_kinds=actions.kinds(), resolve_provider=True)


def add(ls: LacunaServer, capabilities: types.ClientCapabilities) -> None:
    """Offer code actions to a client that resolves them when they are chosen: to work all of them out is too much."""
    properties = get_capability(capabilities, "text_document.code_action.resolve_support.properties", [])
    if "edit" in properties and get_capability(capabilities, "text_document.code_action.data_support", False):
        ls.feature(types.TEXT_DOCUMENT_CODE_ACTION, OPTIONS)(_code_actions)
        ls.feature(types.CODE_ACTION_RESOLVE)(_resolve)


def _code_actions(ls: LacunaServer, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    uri = params.text_document.uri
    if not ls.edits.is_welcome(uri):
        return None
    snapshot = ls.documents.snapshot(uri, convert.position(params.range.end), TREE_MS)
    context = params.context
    start, end = _places(ls, snapshot, params.range)
    if len(plain(snapshot.text.between(start, end))) == 1:  # the cursor of an editor in which it is a block
        snapshot, end = ls.documents.snapshot(uri, convert.position(params.range.start), TREE_MS), start
    marks = [Mark(*_places(ls, snapshot, one.range), one.message) for one in context.diagnostics]
    menu = Menu(start, end, marks, [str(kind) for kind in context.only or ()], ls.config.num_candidates)
    found = actions.actions(snapshot, menu, lambda block: ls.edits.count_refills(snapshot, block))
    return [_code_action(ls, snapshot, action, context.diagnostics) for action in found]


async def _resolve(ls: LacunaServer, asked: types.CodeAction) -> types.CodeAction:
    """With its edit. Without one, and with a message that says why, where there is nothing to apply."""
    data = asked.data
    if not isinstance(data, dict):
        return asked
    block = Block(Unit[data["unit"]], Place(*data["start"]), Place(*data["end"]))
    snapshot = _snapshot(ls, data["uri"], data["version"], block)
    if snapshot is None:
        return _without_edit(ls, asked, "the document has changed since: ask for the action anew")
    found = await ls.at_work(ls.edits.refill(snapshot, block, data["candidate"]))
    if not ls.documents.has(snapshot.text):
        return _without_edit(ls, asked, "the document has changed meanwhile: nothing was edited")
    if found is None:
        return _without_edit(ls, asked, "something else was asked for meanwhile, or the model failed")
    if isinstance(found, Reason):
        return _without_edit(ls, asked, f"there is no {'other ' if data['candidate'] else ''}candidate: {found.value}")
    asked.edit = confirmed_edit(ls, snapshot.uri, found, asked.title)
    return asked


def _code_action(
    ls: LacunaServer, snapshot: Snapshot, action: Action, diagnostics: Sequence[types.Diagnostic]
) -> types.CodeAction:
    block = action.block
    data = {
        "uri": snapshot.uri,
        "version": snapshot.version,
        "unit": block.unit.name,
        "start": list(block.start),
        "end": list(block.end),
        "candidate": action.candidate,
    }
    return types.CodeAction(
        title=f"Lacuna: {action.title}",
        kind=action.kind,
        diagnostics=None if action.mark is None else [diagnostics[action.mark]],
        data=data,
        tags=_tags(ls),
    )


def _tags(ls: LacunaServer) -> list[types.CodeActionTag] | None:
    known = get_capability(ls.client_capabilities, "text_document.code_action.tag_support.value_set", [])
    return [types.CodeActionTag.LlmGenerated] if types.CodeActionTag.LlmGenerated in known else None


def _without_edit(ls: LacunaServer, asked: types.CodeAction, reason: str) -> types.CodeAction:
    ls.window_show_message(types.ShowMessageParams(types.MessageType.Info, f"Lacuna: {reason}"))
    return asked


def _snapshot(ls: LacunaServer, uri: str, version: int, block: Block) -> Snapshot | None:
    """The document with the cursor at the block, if it is still the one that the action was offered for."""
    if not ls.edits.is_welcome(uri) or ls.documents.get(uri).version != version:
        return None
    position = ls.documents.get(uri).text.position(block.start, ls.documents.encoding)
    return ls.documents.snapshot(uri, position, TREE_MS)


def _places(ls: LacunaServer, snapshot: Snapshot, range: types.Range) -> tuple[Place, Place]:
    start, end = (snapshot.text.place(convert.position(at), ls.documents.encoding) for at in (range.start, range.end))
    return min(start, end), max(start, end)
