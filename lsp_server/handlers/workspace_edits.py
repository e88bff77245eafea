"""Drafts as LSP's workspace edits, which the user has to confirm where the client can ask for that."""

from __future__ import annotations

from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.draft import Draft
from lacuna.lsp_server.language_server import LacunaServer
from lsprotocol import types
from pygls.capabilities import get_capability

ANNOTATION = "lacuna"


def confirmed_edit(ls: LacunaServer, uri: str, draft: Draft, label: str) -> types.WorkspaceEdit:
    """An edit of the document as it is now, and of no other version."""
    capabilities = ls.client_capabilities
    span = range_of(ls, uri, draft)
    if not get_capability(capabilities, "workspace.workspace_edit.document_changes", False):
        return types.WorkspaceEdit(changes={uri: [types.TextEdit(span, draft.text)]})
    document = types.OptionalVersionedTextDocumentIdentifier(uri, ls.documents.get(uri).version)
    if get_capability(capabilities, "workspace.workspace_edit.change_annotation_support") is None:
        plain = types.TextDocumentEdit(document, [types.TextEdit(span, draft.text)])
        return types.WorkspaceEdit(document_changes=[plain])
    annotated = types.AnnotatedTextEdit(ANNOTATION, span, draft.text)
    annotation = types.ChangeAnnotation(label, needs_confirmation=True, description="written by the model")
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(document, [annotated])], change_annotations={ANNOTATION: annotation}
    )


def range_of(ls: LacunaServer, uri: str, draft: Draft) -> types.Range:
    """What a draft replaces."""
    return types.Range(*(_position(ls, uri, place) for place in (draft.start, draft.end)))


def _position(ls: LacunaServer, uri: str, place: Place) -> types.Position:
    position = ls.documents.get(uri).text.position(place, ls.documents.encoding)
    return types.Position(position.line, position.character)
