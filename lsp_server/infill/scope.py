"""A fill brought into the file's indentation and cut at the end of the scope that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from lacuna.lsp_server.infill.question import PROSE, Question, Scope
from lacuna.lsp_server.infill.repetition import overlaps
from lacuna.lsp_server.infill.settling import place_of, settled
from lacuna.lsp_server.lexing.bracket_scan import Scan, scan
from lacuna.lsp_server.lexing.indentation import (
    asks_for_statement,
    last_statement,
    leading,
    moved,
    opens_block,
    opens_nothing,
    width,
    with_unit,
)

_CLOSERS = (")", "]", "}")
# Lines that belong to the statement above them though they stand no deeper.
_GOES_ON = re.compile(
    r"\s*([)\]}]|(else|elif|elsif|except|finally|catch|rescue|ensure|end|fi|done|esac|and|or)\b|\.\w|&&|\|\|)"
)
_BY_INDENTATION = {"yaml", "haskell"}  # where a line that stands further left ends what stands above it
_DIRECTIVES = {"c", "cpp", "csharp"}  # whose lines stand at the left end wherever they are
_LINES_ABOVE = 60
_RULE = re.compile(r"[^\s:=#][^:=#]*::?(?![=:])")
_LABEL = re.compile(r"\s*(public|private|protected|signals|slots|case|default)\b.*:$")
_GOES_BEFORE = re.compile(r"\s*(@|//|#|--|/\*|\*)")  # decorators, attributes and comments


def indented(question: Question, fill: str) -> str:
    """`fill` with the indentation that the file has: in its unit, and as deep as the cursor's place asks for."""
    lines = fill.split("\n")
    if _keeps_tabs(question):
        return fill.strip("\n") if question.on_blank_line else fill
    if question.on_blank_line:
        first = next((index for index, line in enumerate(lines) if line.strip()), 0)
        return _closers_below_openers(
            question, _on_blank_line(question, with_unit(lines[first:], question.indent_unit))
        )
    rest, *others = lines
    others = with_unit(others, question.indent_unit)
    if question.scope is Scope.BLOCK:
        others = _as_body(question, others)
    after_space = question.line_prefix.endswith((" ", "\t")) and not question.brackets.delimiter
    return _closers_below_openers(question, [rest.lstrip(" \t") if after_space else rest, *others])


def _keeps_tabs(question: Question) -> bool:
    """Whether tabs stand as they are: in unknown languages without indentation, and below a Makefile's rule."""
    if question.gap.language or question.line_prefix:
        return False
    return _RULE.match(_line_above(question)) is not None or not _has_indented_lines(question)


def _has_indented_lines(question: Question) -> bool:
    """Whether other lines than the cursor's show how this file is indented."""
    above, below = question.gap.prefix.rpartition("\n")[0], question.gap.suffix.partition("\n")[2]
    return any(line[:1] in (" ", "\t") and line.strip() for line in (above + "\n" + below).split("\n"))


def _closers_below_openers(question: Question, lines: list[str]) -> str:
    """With closers that begin a line as deep as the line that they close, where they stand one step deeper."""
    if any(line.lstrip().startswith(_CLOSERS) for line in lines[1:]):
        above, _, there = question.gap.prefix.rpartition("\n")
        read = scan(above, question.gap.language)
        for index, line in enumerate(lines):
            if index and line.lstrip().startswith(_CLOSERS):
                lines[index] = line = _closer_below_opener(line, read, question.indent_unit)
            read = scan(f"\n{there if index == 0 else ''}{line}", question.gap.language, read)
    return "\n".join(lines)


def _closer_below_opener(line: str, read: Scan, unit: str) -> str:
    bare = line.lstrip()
    closed = len(bare) - len(bare.lstrip("".join(_CLOSERS)))
    opener = read.stack[-closed] if closed <= len(read.stack) else None
    if opener is None or read.inside or width(leading(line)) != opener.margin + width(unit):
        return line
    return moved([line], -width(unit), unit)[0]


def _on_blank_line(question: Question, lines: list[str]) -> list[str]:
    """Models often write again the indentation that the line already has, or none where it has none yet."""
    unit = question.indent_unit
    if not question.line_prefix:
        columns = _column(question, lines[0]) - width(leading(lines[0]))
        return settled(moved(lines, columns, unit) if columns else lines, unit, place_of(question))
    there, more = question.line_prefix, leading(lines[0])
    wanted, above = "", _statement_above(question)
    place, written = place_of(question), width(there + more)
    is_known = width(there) <= width(leading(above)) or _has_indented_lines(question)
    column = _snapped(written, {*place.enclosing, width(question.indentation)})
    stays = width(leading(_line_below(question))) == width(there) or column > width(question.indentation)
    if more and is_known and opens_block(above, place.language):
        wanted = question.indentation.removeprefix(there) if question.indentation.startswith(there) else ""
    elif more and not stays:
        wanted = " " * (column - width(there)) if unit != "\t" else question.indentation.removeprefix(there)
    own = written if width(there + wanted) == column else width(more)
    shift = width(there + wanted) - own if more else 0
    first = there + wanted + lines[0].lstrip(" \t")
    others = moved(lines[1:], shift if width(more) + 1 >= width(there) else 0, unit)
    first, *others = settled([first, *others], unit, place)
    return [first.removeprefix(there), *others]


def _column(question: Question, line: str) -> int:
    """Where the first line of a fill should begin on an empty line.

    Where the statement above is known to open a block, or to open nothing, that tells; else the fill itself does.
    """
    column, expected = width(leading(line)), width(question.indentation)
    above, language = _statement_above(question), question.gap.language
    if question.brackets.delimiter:
        return _star_column(question, column) if line.lstrip().startswith("*") else column
    if language in PROSE:
        return column
    if asks_for_statement(above, language) and not line.lstrip().startswith("{"):
        return width(leading(above) + question.indent_unit)
    if line.startswith("#") and language in _DIRECTIVES:
        return column
    if column < expected and question.scope is Scope.BLOCK and _body_is_indented(question, line):
        is_deeper = expected > width(leading(above))
        is_known = opens_block(above, language) and is_deeper and not _LABEL.match(line)
        if is_known or (column == 0 and language not in _BY_INDENTATION):
            return expected
    if column > expected and (opens_block(above, language) or opens_nothing(above, language)):
        return expected
    return _snapped(column, _columns(question))


def _star_column(question: Question, column: int) -> int:
    """The stars of a block comment stand one below the other, the first one column to the right of its slash."""
    above, below = _line_above(question), _line_below(question)
    for line in (above, below):
        if line.lstrip().startswith("*"):
            return width(leading(line))
    return width(leading(above)) + 1 if above.lstrip().startswith("/*") else column


def _columns(question: Question) -> set[int]:
    """Where lines begin around the cursor: those that it may be in, one step deeper, and the next."""
    lines = [line for line in question.gap.prefix.split("\n")[-_LINES_ABOVE:] if line.strip()]
    columns = {width(question.indentation)}
    for line in reversed(lines):
        column = width(leading(line))
        if column < min(columns, default=column + 1) or line is lines[-1]:
            columns.add(column)
    below = _line_below(question)
    deeper = {width(leading(lines[-1]) + question.indent_unit)} if lines else set()
    return columns | deeper | ({width(leading(below))} if below else set())


def _snapped(column: int, columns: set[int]) -> int:
    """A column that misses another one by one is meant to be that."""
    return next((other for other in (column, column + 1, column - 1) if other in columns), column)


def _statement_above(question: Question) -> str:
    """The last statement above the cursor's line, as one line."""
    return last_statement(question.gap.prefix.split("\n")[-_LINES_ABOVE:-1], question.gap.language)


def _line_above(question: Question) -> str:
    """The last line with text above the cursor's."""
    return next((line for line in reversed(question.gap.prefix.split("\n")[:-1]) if line.strip()), "")


def _line_below(question: Question) -> str:
    return next((line for line in question.gap.suffix.split("\n") if line.strip()), "")


def _body_is_indented(question: Question, line: str) -> bool:
    """Not an `else` or a closing bracket, not after a blank line, and not in a body that is not indented itself."""
    above = question.gap.prefix.split("\n")[-2:][0]
    below = _line_below(question)
    return (
        above.strip() != ""
        and not _GOES_ON.match(line)
        and (not below or below[0] in (" ", "\t") or bool(_GOES_ON.match(below)))
    )


def _as_body(question: Question, lines: list[str]) -> list[str]:
    """The lines of a block that the cursor's line has opened, its first as deep as the file's blocks are."""
    body = next((width(leading(line)) for line in lines if line.strip()), 0)
    if body <= width(leading(question.line_prefix)):
        return lines  # not in the block at all
    lines = moved(lines, width(question.indentation) - body, question.indent_unit)
    return settled([question.line_prefix, *lines], question.indent_unit, place_of(question))[1:]


def in_scope(question: Question, fill: str) -> str:
    """`fill` up to the end of the scope, and to the most lines worth having."""
    lines = fill.split("\n")
    match question.scope:
        case Scope.REST_OF_LINE:
            return lines[0]
        case Scope.ARGUMENTS:
            if not question.on_blank_line:
                return lines[0][: _list_end(question, lines[0])]
            return _limited(_list(question, fill[: _list_end(question, fill)].split("\n")), question.max_lines)
        case Scope.BLOCK:
            return _limited(_block(question, lines), question.max_lines)
        case Scope.STATEMENT:
            statement = _paragraph(lines) if _is_prose(question) else _statement(question, lines)
            return _limited(statement, question.max_lines)


def _limited(lines: Iterable[str], max_lines: int) -> str:
    """Up to so many lines with text in them."""
    kept: list[str] = []
    for line in lines:
        if sum(bool(other.strip()) for other in kept) == max_lines:
            break
        kept.append(line)
    return "\n".join(kept)


def _list_end(question: Question, fill: str) -> int:
    """Before the bracket that would close the list a second time; none does where brackets are missing."""
    brackets = question.brackets
    wrong = brackets.wrong_closers(fill)
    ends = [len(fill) - length for length in (0, *overlaps(fill, question.gap.suffix))]
    ends += [offset + 1 for offset in reversed(wrong)]
    mending = next((end for end in ends if brackets.is_better_with(fill[:end])), None)
    return mending if mending is not None else min(wrong, default=len(fill))


def _list(question: Question, lines: list[str]) -> Iterator[str]:
    """To the line that closes the list, where nothing after the cursor does."""
    read = question.brackets.before
    outside = len(read.stack) - 1
    for line in lines:
        yield line
        read = scan(line + "\n", question.gap.language, read)
        if len(read.stack) <= outside:
            return


def _block(question: Question, lines: list[str]) -> Iterator[str]:
    """While no line stands further left than the block; and its closing bracket, where that is missing."""
    if question.on_blank_line:
        margin = width(leading(question.line_prefix + lines[0]))
    else:
        margin = width(question.indentation)
    yield lines[0]
    brackets = question.brackets
    for line in lines[1:]:
        if line.strip() and width(leading(line)) < margin:
            if brackets.innermost and not brackets.innermost_is_closed and line.lstrip().startswith(_CLOSERS):
                yield line
            return
        yield line


def _is_prose(question: Question) -> bool:
    return question.gap.language in PROSE or question.brackets.delimiter != ""


def _paragraph(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            return
        yield line


def _statement(question: Question, lines: list[str]) -> Iterator[str]:
    """The first line, and those that belong to it: deeper ones, those in its brackets, `else` and its like."""
    margin = width(leading(question.line_prefix + lines[0]))
    language = question.gap.language
    read = scan(lines[0] + "\n", language)
    yield lines[0]
    for above, line in pairwise(lines):
        deeper = width(leading(line)) > margin or not line.strip()
        if not (read.stack or deeper or _GOES_ON.match(line) or _GOES_BEFORE.match(above)):
            return
        yield line
        read = scan(line + "\n", language, read)
