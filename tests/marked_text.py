"""Marked text for tests: `|` is the cursor (the first one, where there are several)."""

from __future__ import annotations

from dataclasses import replace

from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import Document, Snapshot
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.postprocess import postprocess
from lacuna.lsp_server.infill.question import Question, Trigger, build_question
from lacuna.lsp_server.infill.suggestion import Rejected


def snapshot_at(marked: str, language: str = "python", uri: str = "untitled:test") -> Snapshot:
    """The snapshot of a document whose text is `marked` without its cursor."""
    before, after = marked.split("|", 1)
    snapshot = Document(uri, language or "plaintext", 1, before + after).snapshot(Position(0, 0), "utf-32", 10_000.0)
    line, column = snapshot.text.place_at(len(before))
    return replace(snapshot, line=line, column=column)


def context_at(
    marked: str, language: str = "python", trigger: Trigger = Trigger.INVOKED, uri: str = "untitled:test"
) -> Question | Rejected:
    """What would be asked at the cursor."""
    return build_question(snapshot_at(marked, language, uri), trigger, Exclusion())


def shown(marked: str, fill: str, language: str, trigger: Trigger = Trigger.INVOKED) -> str | None:
    """The text that is shown of a fill; None where nothing is."""
    question = context_at(marked, language, trigger)
    assert isinstance(question, Question), question
    result = postprocess(question, snapshot_at(marked, language), fill)
    return None if isinstance(result, Rejected) else result.text
