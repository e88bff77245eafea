"""The line that the user is still writing: where what is right of the cursor no longer fits, the diff goes on there.

What is only to be put in at the cursor is no concern of this: inline completion does that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lacuna.engine.diff_api import (
    ABOVE_HUNK,
    LONGEST_LINE,
    MOST_HUNKS,
    ChangedLines,
    DiffQuestion,
    LineChange,
    Unfinished,
)
from lacuna.engine.text.lines import lines_of
from lacuna.engine.text.syntax import MissingGrammar, error_count, grammar, parse
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow, hunk_of, told_of
from lacuna.lsp_server.edits.next_edit.objections import errors, lines_near
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.next_edit.tokens import KEYWORDS, tokens
from lacuna.lsp_server.lexing.bracket_scan import CLOSERS, scan

BELOW = 2  # lines that are told
# Nats by which a line that brings words and signs of its own must be likelier than the one in which what is open is
# only closed: 5.4 and more where that was right, 1.9 and less where it was not (docs/LOG.md).
FAR = 5.0
MOST_TYPED = 2000  # characters at once
NEAR = 2000  # characters on either side, whose words are not its own
KEPT = 1 / 3  # of the words right of the cursor: where fewer are left, they were another statement
_WORDS = re.compile(r"\w+")
_SAID = re.compile(r"\w+|[-+*/%=<>!&|^~?@]")  # words and operators
_MAY_GO = re.compile(r"\w+(?=\s*[(\"'])")  # what is called, and a string's prefix
_ENDING = re.compile(r"[\s:;,{]*$")
_CLOSERS = frozenset(")]}>\"'`; ")  # what editors put behind the cursor


def is_typed(edit: RecentEdit, text: str, cursor: int) -> bool:
    """Whether an edit has put in a text that ends at the cursor, but for closers behind it, and that is more than white
    space and less than a file."""
    new = text[edit.start : cursor]
    is_at_end = edit.start < cursor <= edit.end and set(text[cursor : edit.end]) <= _CLOSERS
    return is_at_end and bool(new.strip()) and len(edit.old) <= len(new) <= MOST_TYPED


def own_line(path: str, version: Version, recent: Sequence[RecentEdit], cursor: int) -> DiffWindow | None:
    """The cursor's line, if the last of the `recent` edits is on it alone, has left it unfinished, and words stand
    right of the cursor. None elsewhere."""
    text, edit = version.text, recent[0]
    start, end = text.rfind("\n", 0, cursor) + 1, _line_end(text, cursor)
    is_own = start <= edit.start <= cursor and edit.end <= end and set(text[cursor : edit.end]) <= _CLOSERS
    has_rest = any(one.is_name or one.is_literal for one in tokens(text, cursor, end))
    if not is_own or not has_rest or end - start > LONGEST_LINE or not _is_unfinished(version, start, end):
        return None
    above = lines_of(text[max(0, start - ABOVE_HUNK * LONGEST_LINE) : start])[-ABOVE_HUNK:]
    below = lines_of(text[end + 1 : end + 1 + BELOW * LONGEST_LINE])[:BELOW]
    removed = lines_of(text[start : edit.start] + edit.old + text[edit.end : end])
    now = text[start:end]
    closed = _closed(now, version.language)
    if not closed or not _has_fewer_errors(version.language, text, start, end, closed):
        closed = ""
    older = [hunk for one in reversed(recent[1:MOST_HUNKS]) if (hunk := hunk_of(one, text)) is not None]
    question = DiffQuestion(
        path,
        tuple(older),
        text.count("\n", 0, start) - len(above) + 1,
        tuple(above),
        (f"{now}\n", *below),
        unfinished=Unfinished(text[start:cursor], tuple(removed), closed and f"{closed}\n"),
    )
    return DiffWindow(question, start, version.uri, text, version.typed)


def finishes(language: str, window: DiffWindow, unfinished: Unfinished, offered: ChangedLines) -> bool:
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
    return _has_fewer_errors(language, text, start, end, new)


def worth_it(language: str, window: DiffWindow, offered: Sequence[LineChange]) -> list[LineChange]:
    """What could be offered of the line, the best first: what the base has written goes before what only closes what is
    open, but where it brings words and signs of its own it must be likelier by far."""
    unfinished = window.question.unfinished
    if unfinished is None:
        return list(offered)
    closed = [one for one in offered if one.lines == (unfinished.closed,)]
    needed = max([0.0, *(one.gain for one in closed)]) + FAR
    written = (one for one in offered if one not in closed)
    sure = (one for one in written if one.gain >= needed or not _invents(language, window, unfinished, one))
    return [*sure, *closed]


def _invents(language: str, window: DiffWindow, unfinished: Unfinished, offered: LineChange) -> bool:
    """Whether a line brings keywords or operators that neither it nor an edit had, words that stand nowhere near, or
    has something else behind what the user has opened than the end of what stood right of the cursor."""
    told = told_of(window.question.hunks) + "".join(unfinished.removed)
    near = window.text[max(0, window.start - NEAR) : window.start + NEAR]
    known = {*_SAID.findall(told), *(word for word in _WORDS.findall(near) if word not in KEYWORDS)}
    stood = _SAID.findall(window.question.lines[0][len(unfinished.typed) :])
    rest = offered.lines[0][len(unfinished.typed) :]
    end = _end_of_open(unfinished.typed, rest, language)
    inside, behind = _SAID.findall(rest[:end]), _SAID.findall(rest[end:])
    left = stood[: len(stood) - len(behind)]
    return stood[len(left) :] != behind or not (Counter(inside) - Counter(left)).keys() <= known


def _end_of_open(typed: str, rest: str, language: str) -> int:
    """Where what was opened last in what is typed is closed in the rest of its line; the end where it is not."""
    read = scan(typed, language)
    closings = scan(rest, language, read).closings
    return next((offset for offset, index in closings if index == len(read.stack) - 1), len(rest))


def _closed(line: str, language: str) -> str:
    """A line with what is open in it closed before the signs that end it; "" where nothing is, or more than
    brackets."""
    body = _ENDING.sub("", line)
    marks = [one.mark for one in scan(body, language).stack]
    if not marks or any(mark not in CLOSERS for mark in marks):
        return ""
    return body + "".join(CLOSERS[mark] for mark in reversed(marks)) + line[len(body) :]


def _has_fewer_errors(language: str, text: str, start: int, end: int, new: str) -> bool:
    first, last = lines_near(text, start, end)
    before, after = text[first:start], text[end:last]
    return errors(language, before + new + after) < errors(language, before + text[start:end] + after)


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
