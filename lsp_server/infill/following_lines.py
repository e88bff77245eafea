"""The lines below a cursor that a suggestion must not say again: the next one, and the code behind what parts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from lacuna.lsp_server.infill.line_form import (
    closes,
    comment_marks,
    form,
    has_word,
    is_mark,
    is_same_entry,
    is_tag,
    is_value,
    jumps,
    opens,
    opens_like_many,
    opens_section,
    with_one_kind_of_quotes,
    without_last_closers,
)
from lacuna.lsp_server.infill.question import Question
from lacuna.lsp_server.lexing.indentation import leading, width

_CODE_LINES = 3  # that are looked at; what stands farther below is said again more often than not for a reason
_COMMENT_LINES = 3
_LINES = 60  # in which they are looked for


class Role(Enum):
    """What a line is to those around it."""

    CODE = "code"
    COMMENT = "comment"
    CLOSER = "closer"
    MARK = "mark"  # of the declaration below it


@dataclass(frozen=True)
class Following:
    """A line with text in it, below the cursor's line."""

    text: str
    form: str  # see line_form.py
    columns: int  # of its indentation
    role: Role
    is_next: bool  # only blank lines stand before it
    closers: int  # lines of closers that stand before it
    number: int  # of its role, from 0: the first line of code, the second, ...
    is_of_block: bool  # no line before it stands less deep than the first, and none closes something


def following_lines(question: Question) -> tuple[Following, ...]:
    """The next line, comments and closers, and the first lines of code behind them."""
    found: list[Following] = []
    counts = dict.fromkeys(Role, 0)
    for line, role in _roles(question):
        if role in (Role.COMMENT, Role.MARK) and (counts[Role.CODE] or counts[role] == _COMMENT_LINES):
            continue  # it speaks of what comes later
        columns = width(leading(line))
        of_block = not counts[Role.CLOSER] and (not found or columns == found[0].columns)
        of_block = of_block and (not found or (found[-1].is_of_block and not opens_section(found[-1].text)))
        said = form(line, question.gap.language)
        found.append(
            Following(line, said, columns, role, not found, counts[Role.CLOSER], counts[role], is_of_block=of_block)
        )
        counts[role] += 1
        if counts[Role.CODE] == _CODE_LINES:
            break
    return tuple(found)


def repeated(line: str, following: Sequence[Following], language: str) -> Following | None:
    """The line below that `line` says again, separators and white space aside; None where it says none."""
    said = form(line, language)
    alike = with_one_kind_of_quotes(said)
    for below in following:
        there = with_one_kind_of_quotes(below.form)
        if said and alike in (there, without_last_closers(there)) and _is_repeated(line, said, below):
            return below
    return None


def contradicted(line: str, following: Sequence[Following], language: str, bracket: str) -> Following | None:
    """The next entry of the object, parameters or tag around `line`, where that gives the same key another value."""
    below = next((one for one in following if one.role is Role.CODE), None)
    if below is None or below.closers or below.columns != width(leading(line)):
        return None
    return below if is_same_entry(line, below.text, language, bracket) else None


def _is_repeated(line: str, said: str, below: Following) -> bool:
    """Whether it matters that two lines are alike: that depends on what they are and what stands between them."""
    same_depth = width(leading(line)) == below.columns
    if is_value(said) or is_tag(said):
        return False
    if below.role is Role.CLOSER or not has_word(said):
        return same_depth and below.is_next and not opens(said)
    if below.role is Role.COMMENT:
        return True
    if below.role is Role.MARK:
        return same_depth and below.is_next
    if opens(line) and opens_like_many(line):
        return same_depth and below.closers == 0 and below.number == 0
    if below.number == 0:
        return (same_depth and below.closers == 0) or not jumps(said)
    return same_depth and below.is_of_block and not jumps(said)


def _roles(question: Question) -> Iterator[tuple[str, Role]]:
    """The lines with text below the cursor's, and what each is."""
    marks = comment_marks(question.gap.language)
    end = _end_of_open_comment(question, marks)
    for line in question.gap.suffix.split("\n", _LINES)[1:_LINES]:
        code = line.strip()
        if not code:
            continue
        if end:
            yield line.rstrip(), Role.COMMENT
            end = "" if end in code else end
            continue
        mark = next((mark for mark in sorted(marks, key=len, reverse=True) if code.startswith(mark)), "")
        if mark:
            end = marks[mark] if marks[mark] != "\n" and marks[mark] not in code[len(mark) :] else ""
            yield line.rstrip(), Role.COMMENT
        else:
            yield line.rstrip(), _role(code)


def _role(code: str) -> Role:
    if closes(code):
        return Role.CLOSER
    return Role.MARK if is_mark(code) else Role.CODE


def _end_of_open_comment(question: Question, marks: dict[str, str]) -> str:
    """What ends the comment of several lines that the cursor is in; "" where it is in none."""
    end = marks.get(question.brackets.delimiter, "\n")
    return "" if end == "\n" or end in question.line_suffix else end
