"""Where a diff may go on in another open document: at uses of what an edit defines, or is in the definition of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lacuna.engine.diff_api import DiffQuestion
from lacuna.engine.text.lines import lines_of
from lacuna.engine.untrusted.secrets import has_secret
from lacuna.lsp_server.documents.exclude import short_path
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.diff_windows import (
    LINES,
    DiffWindow,
    clusters,
    hunks_of,
    related_lines,
    told_of,
    without_data,
)
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.same_names import DEFINES
from lacuna.lsp_server.edits.next_edit.site import Other, Version
from lacuna.lsp_server.edits.next_edit.tokens import tokens

WINDOWS = 2  # of one document
BELOW = 3  # lines that a use may go on for
REACH = 300  # lines above an edit in which what it is in the definition of begins

_DEFINED = re.compile(DEFINES + r"(\w+)")


def windows_elsewhere(
    path: str, version: Version, recent: Sequence[RecentEdit], change: Change, other: Other
) -> list[DiffWindow]:
    """Windows of another document, those that say the most of the edit's names first; none where it uses nothing that
    the edit defines, and none where an edit that would be told holds a secret."""
    hunks, defined = hunks_of(recent, version.text), _defined(change)
    used = {name for name in defined if not re.search(DEFINES + re.escape(name) + r"\b", other.text)}
    if not hunks or not used or has_secret(told_of(hunks)):
        return []
    lines, found = lines_of(other.text), list[tuple[int, DiffWindow]]()
    if not related_lines(lines, used):
        return []
    names = used | {one.text for one in (*change.old, *change.new) if one.is_name}
    related = related_lines(lines, names)
    for start, end in clusters(related, 0, 0):
        some = tuple(without_data(lines[start : min(end + BELOW, start + LINES)]))
        told = tuple(at - start for at in related if start <= at < start + len(some))
        question = DiffQuestion(path, hunks, start + 1, (), some, told, elsewhere=short_path(other.uri))
        window = DiffWindow(question, sum(map(len, lines[:start])), other.uri, other.text, other.typed)
        found.append((len(names & {token.text for line in some for token in tokens(line)}), window))
    return [window for _, window in sorted(found, key=lambda one: -one[0])[:WINDOWS]]


def _defined(change: Change) -> set[str]:
    """The names that are defined on the lines of an edit, and those of the definitions around it: of each line above
    that is indented less than all between."""
    lines = change.after[change.start : change.end].split("\n")
    names = {match[2] for line in lines for match in _DEFINED.finditer(line)}
    indentation = min((_indentation(line) for line in lines if line.strip()), default=0)
    for line in reversed(change.after[: change.start].split("\n")[-REACH:]):
        if line.strip() and _indentation(line) < indentation:
            indentation = _indentation(line)
            names |= {match[2] for match in _DEFINED.finditer(line)}
    return names


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
