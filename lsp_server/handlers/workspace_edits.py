"""Replacements as LSP's workspace edits, which the user has to confirm where the client can ask for that."""

from __future__ import annotations

from lsprotocol import types
from pygls.capabilities import get_capability

from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.language_server import LacunaServer

ANNOTATION = "lacuna"


def confirmed_edit(ls: LacunaServer, uri: str, replacement: Replacement, label: str) -> types.WorkspaceEdit:
    """An edit of the document as it is now, and of no other version."""
    capabilities = ls.client_capabilities
    span = range_of(ls, uri, replacement)
    if not get_capability(capabilities, "workspace.workspace_edit.document_changes", False):
        return types.WorkspaceEdit(changes={uri: [types.TextEdit(span, replacement.text)]})
    document = types.OptionalVersionedTextDocumentIdentifier(uri, ls.documents.get(uri).version)
    if get_capability(capabilities, "workspace.workspace_edit.change_annotation_support") is None:
        plain = types.TextDocumentEdit(document, [types.TextEdit(span, replacement.text)])
        return types.WorkspaceEdit(document_changes=[plain])
    annotated = types.AnnotatedTextEdit(ANNOTATION, span, replacement.text)
    annotation = types.ChangeAnnotation(label, needs_confirmation=True, description="written by the model")
    return types.WorkspaceEdit(
        document_changes=[types.TextDocumentEdit(document, [annotated])], change_annotations={ANNOTATION: annotation}
    )


def range_of(ls: LacunaServer, uri: str, replacement: Replacement) -> types.Range:
    """What is replaced."""
    return types.Range(*(_position(ls, uri, place) for place in (replacement.start, replacement.end)))


def _position(ls: LacunaServer, uri: str, place: Place) -> types.Position:
    position = ls.documents.get(uri).text.position(place, ls.documents.encoding)
    return types.Position(position.line, position.character)
