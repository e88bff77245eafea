"""Windows in which a model that was taught with real edits looks for the next one: around the edit, and around what it
touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lacuna.engine.diff_api import ABOVE_WINDOW, WINDOW_LINES, DiffQuestion
from lacuna.engine.text.lines import lines_of
from lacuna.engine.untrusted.secrets import has_secret
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.diff_windows import (
    DiffWindow,
    clusters,
    hunks_of,
    related_lines,
    told_of,
    without_data,
)
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.site import Version

AROUND, LEAD = 6, 2  # lines of a window around a word that the edit touches, and how many of them stand before it
WINDOWS = 6


def edit_windows(path: str, version: Version, recent: Sequence[RecentEdit], change: Change) -> Iterator[DiffWindow]:
    """The lines below the last edit, those above it, and those around words that it touches; those that hold such
    words first, the nearest of them first. `recent` are the document's edits, the last one first. None where an edit
    that would be told holds a secret: the model may be a server's."""
    hunks, lines = hunks_of(recent, version.text), lines_of(version.text)
    if not hunks or has_secret(told_of(hunks)):
        return
    first = hunks[-1].line - 1 + len(hunks[-1].above)  # of what the edit has left
    below = first + len(hunks[-1].added)
    near = range(max(0, first - WINDOW_LINES), below + WINDOW_LINES)
    touched = {one.text for one in (*change.old, *change.new) if one.is_name or one.is_literal}
    related = related_lines(lines, touched)
    far = clusters([at for at in related if at not in near], first, below)
    around = (max(0, start + 1 - LEAD) for start, _ in far)  # a cluster begins a line before its first word
    spans = [(below, near.stop), (near.start, first), *((start, start + AROUND) for start in around)]
    spans.sort(key=lambda span: not any(span[0] <= at < span[1] for at in related))
    for start, end in spans[:WINDOWS]:
        some = without_data(lines[start:end])
        if any(line.strip() for line in some):
            above = tuple(lines[max(0, start - ABOVE_WINDOW) : start]) if start != below else ()
            question = DiffQuestion(path, hunks, start - len(above) + 1, above, tuple(some))
            yield DiffWindow(question, sum(map(len, lines[:start])), version.uri, version.text, version.typed)
