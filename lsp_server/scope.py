"""A fill brought into the file's indentation and cut at the end of the scope that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from lsp_server.bracket_scan import scan
from lsp_server.context import PROSE, Context, Scope
from lsp_server.indentation import leading, moved, width, with_unit
from lsp_server.repetition import overlaps

_CLOSERS = (")", "]", "}")
# Lines that belong to the statement above them though they stand no deeper.
_GOES_ON = re.compile(
    r"\s*([)\]}]|(else|elif|elsif|except|finally|catch|rescue|ensure|end|fi|done|esac|and|or)\b|\.\w|&&|\|\|)"
)
_GOES_BEFORE = re.compile(r"\s*(@|//|#|--|/\*|\*)")  # decorators, attributes and comments


def indented(context: Context, fill: str) -> str:
    """`fill` with the indentation that the file has: in its unit, and as deep as the cursor's place asks for."""
    lines = fill.split("\n")
    if context.on_blank_line:
        first = next((index for index, line in enumerate(lines) if line.strip()), 0)
        return "\n".join(_on_blank_line(context, with_unit(lines[first:], context.indent_unit)))
    rest, *others = lines
    others = with_unit(others, context.indent_unit)
    if context.scope is Scope.BLOCK:
        others = _as_body(context, others)
    after_space = context.line_prefix.endswith((" ", "\t")) and not context.brackets.delimiter
    return "\n".join([rest.lstrip(" \t") if after_space else rest, *others])


def _on_blank_line(context: Context, lines: list[str]) -> list[str]:
    """Models often write again the indentation that the line already has, or none where it has none yet."""
    there, more = context.line_prefix, leading(lines[0])
    if not there and not more and context.scope is Scope.BLOCK and _body_is_indented(context, lines[0]):
        return moved(lines, width(context.indentation), context.indent_unit)
    if width(there + more) <= max(width(context.indentation), width(there)):
        return lines
    wanted = context.indentation[len(there) :] if context.indentation.startswith(there) else ""
    return [wanted + lines[0].lstrip(" \t"), *lines[1:]]


def _body_is_indented(context: Context, line: str) -> bool:
    """Not an `else` or a closing bracket, not after a blank line, and not in a body that is not indented itself."""
    above = context.gap.prefix.split("\n")[-2:][0]
    below = next((line for line in context.gap.suffix.split("\n") if line.strip()), "")
    return above.strip() != "" and not _GOES_ON.match(line) and (not below or below[0] in (" ", "\t", *_CLOSERS))


def _as_body(context: Context, lines: list[str]) -> list[str]:
    """The lines of a block that the cursor's line has opened, its first as deep as the file's blocks are."""
    body = next((width(leading(line)) for line in lines if line.strip()), 0)
    if body <= width(leading(context.line_prefix)):
        return lines  # not in the block at all
    return moved(lines, width(context.indentation) - body, context.indent_unit)


def in_scope(context: Context, fill: str) -> str:
    """`fill` up to the end of the scope, and to the most lines worth having."""
    lines = fill.split("\n")
    match context.scope:
        case Scope.REST_OF_LINE:
            return lines[0]
        case Scope.ARGUMENTS:
            if not context.on_blank_line:
                return lines[0][: _list_end(context, lines[0])]
            return _limited(_list(context, fill[: _list_end(context, fill)].split("\n")), context.max_lines)
        case Scope.BLOCK:
            return _limited(_block(context, lines), context.max_lines)
        case Scope.STATEMENT:
            statement = _paragraph(lines) if _is_prose(context) else _statement(context, lines)
            return _limited(statement, context.max_lines)


def _limited(lines: Iterable[str], max_lines: int) -> str:
    """Up to so many lines with text in them."""
    kept: list[str] = []
    for line in lines:
        if sum(bool(other.strip()) for other in kept) == max_lines:
            break
        kept.append(line)
    return "\n".join(kept)


def _list_end(context: Context, fill: str) -> int:
    """Before the bracket that would close the list a second time; none does where brackets are missing."""
    brackets = context.brackets
    wrong = brackets.wrong_closers(fill)
    ends = [len(fill) - length for length in (0, *overlaps(fill, context.gap.suffix))]
    ends += [offset + 1 for offset in reversed(wrong)]
    mending = next((end for end in ends if brackets.is_better_with(fill[:end])), None)
    return mending if mending is not None else min(wrong, default=len(fill))


def _list(context: Context, lines: list[str]) -> Iterator[str]:
    """To the line that closes the list, where nothing after the cursor does."""
    read = context.brackets.before
    outside = len(read.stack) - 1
    for line in lines:
        yield line
        read = scan(line + "\n", context.gap.language, read)
        if len(read.stack) <= outside:
            return


def _block(context: Context, lines: list[str]) -> Iterator[str]:
    """While no line stands further left than the block; and its closing bracket, where that is missing."""
    if context.on_blank_line:
        margin = width(leading(context.line_prefix + lines[0]))
    else:
        margin = width(context.indentation)
    yield lines[0]
    brackets = context.brackets
    for line in lines[1:]:
        if line.strip() and width(leading(line)) < margin:
            if brackets.innermost and not brackets.innermost_is_closed and line.lstrip().startswith(_CLOSERS):
                yield line
            return
        yield line


def _is_prose(context: Context) -> bool:
    return context.gap.language in PROSE or context.brackets.delimiter != ""


def _paragraph(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            return
        yield line


def _statement(context: Context, lines: list[str]) -> Iterator[str]:
    """The first line, and those that belong to it: deeper ones, those in its brackets, `else` and its like."""
    margin = width(leading(context.line_prefix + lines[0]))
    language = context.gap.language
    read = scan(lines[0] + "\n", language)
    yield lines[0]
    for above, line in pairwise(lines):
        deeper = width(leading(line)) > margin or not line.strip()
        if not (read.stack or deeper or _GOES_ON.match(line) or _GOES_BEFORE.match(above)):
            return
        yield line
        read = scan(line + "\n", language, read)
