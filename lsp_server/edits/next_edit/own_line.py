"""The line that the user is still writing: where what is right of the cursor no longer fits, the diff goes on there.

What is only to be put in at the cursor is no concern of this: inline completion does that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lacuna.engine.diff_api import DiffQuestion, LineChange, Unfinished
from lacuna.engine.text.syntax import MissingGrammar, error_count, grammar, parse
from lacuna.lsp_server.edits.next_edit.diff_windows import (
    ABOVE,
    HUNKS,
    LONGEST_LINE,
    DiffWindow,
    hunk_of,
    lines_of,
)
from lacuna.lsp_server.edits.next_edit.objections import errors, lines_near
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.next_edit.tokens import tokens

BELOW = 2  # lines that are told
KEPT = 1 / 3  # of the words right of the cursor: where fewer are left, they were another statement
_MAY_GO = re.compile(r"\w+(?=\s*[(\"'])")  # what is called, and a string's prefix
_CLOSERS = frozenset(")]}>\"'`; ")  # what editors put behind the cursor


def own_line(path: str, version: Version, recent: Sequence[RecentEdit], cursor: int) -> DiffWindow | None:
    """The cursor's line, if the last of the `recent` edits is on it alone, has left it unfinished, and words stand
    right of the cursor. None elsewhere."""
    text, edit = version.text, recent[0]
    start, end = text.rfind("\n", 0, cursor) + 1, _line_end(text, cursor)
    is_own = start <= edit.start <= cursor and edit.end <= end and set(text[cursor : edit.end]) <= _CLOSERS
    has_rest = any(one.is_name or one.is_literal for one in tokens(text, cursor, end))
    if not is_own or not has_rest or end - start > LONGEST_LINE or not _is_unfinished(version, start, end):
        return None
    above = lines_of(text[max(0, start - ABOVE * LONGEST_LINE) : start])[-ABOVE:]
    below = lines_of(text[end + 1 : end + 1 + BELOW * LONGEST_LINE])[:BELOW]
    removed = lines_of(text[start : edit.start] + edit.old + text[edit.end : end])
    older = [hunk for one in reversed(recent[1:HUNKS]) if (hunk := hunk_of(one, text)) is not None]
    question = DiffQuestion(
        path,
        tuple(older),
        text.count("\n", 0, start) - len(above) + 1,
        tuple(above),
        (f"{text[start:end]}\n", *below),
        unfinished=Unfinished(text[start:cursor], tuple(removed)),
    )
    return DiffWindow(question, start, version.uri, text, version.typed)


def finishes(language: str, window: DiffWindow, unfinished: Unfinished, offered: LineChange) -> bool:
    """Whether what becomes of the line has fewer errors, holds what stood right of the cursor but for some names of
    calls, and is more than what inline completion would put in."""
    (start, end), text = window.span(offered.start, offered.end), window.text
    (now,), new = window.question.lines[offered.start : offered.end], "".join(offered.lines)
    assert new.startswith(unfinished.typed), "what is typed stays"
    old_rest, rest = now[len(unfinished.typed) :], new[len(unfinished.typed) :]
    words, kept = set(re.findall(r"\w+", old_rest)), set(re.findall(r"\w+", rest))
    if rest.endswith(old_rest) or len(words & kept) < KEPT * len(words):
        return False
    if not words - kept <= set(_MAY_GO.findall(old_rest)):
        return False
    first, last = lines_near(text, start, end)
    before, after = text[first:start], text[end:last]
    return errors(language, before + new + after) < errors(language, before + now + after)


def _is_unfinished(version: Version, start: int, end: int) -> bool:
    """Whether a line does not parse, or the edit has brought errors."""
    language, text, edit = version.language, version.text, version.edit
    if isinstance(grammar(language), MissingGrammar):
        return False
    first, last = lines_near(text, start, end)
    tree = parse(language, text[first:last])
    before, upto = (len(text[first:at].encode()) for at in (start, end))
    if error_count(tree, before, upto):
        return True
    return errors(language, text[first:last]) > errors(
        language, text[first : edit.start] + edit.old + text[edit.end : last]
    )


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end
