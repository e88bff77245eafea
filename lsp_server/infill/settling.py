"""The lines of a fill brought to columns that lines can have: models miss them by one, or write them from zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lacuna.lsp_server.infill.question import PROSE, Question
from lacuna.lsp_server.lexing.bracket_scan import scan
from lacuna.lsp_server.lexing.indentation import leading, moved, opens_block, opens_nothing, width

_LISTS = {"python", "json", "toml", "yaml"}  # where braces hold lists and no statements
_LINES_ABOVE = 60


@dataclass(frozen=True)
class Place:
    """What a fill's lines stand in."""

    language: str  # "" where line ends mean nothing to it: prose, comments, strings
    enclosing: tuple[int, ...]  # the columns of the blocks around it, the deepest first
    is_list: bool  # its lines are items, one below the other


def place_of(question: Question) -> Place:
    """What the fill's lines stand in; the columns are those of the lines above that the cursor's is in."""
    items, columns = question.brackets.innermost, [1000]
    is_list = items is not None and (items.mark in "([" or (items.mark == "{" and _language(question) in _LISTS))
    for line in reversed(question.gap.prefix.split("\n")[-_LINES_ABOVE:-1]):
        column = width(leading(line))
        if line.strip() and column < columns[-1]:
            columns.append(column)
    return Place(_language(question), tuple(columns[1:]), is_list=is_list)


def settled(lines: Sequence[str], unit: str, place: Place) -> list[str]:
    """`lines` as deep as they are meant to be below the first one, whose column is right.

    A line that is meant to be in the block of another keeps that; one that misses a block's column by one is moved to
    it. What stands in brackets or strings that the lines have opened moves with the line that opened them.
    """
    if not place.language or len(lines) == 1:
        return list(lines)
    first = width(leading(lines[0]))
    blocks = [(first, first)]  # (the column that the fill has, the one that it gets), from outside in
    found, above, read = [lines[0]], lines[0], scan(lines[0] + "\n", place.language)
    for line in lines[1:]:
        if not line.strip():
            found.append(line)
            continue
        if not read.stack:
            _enter(blocks, width(leading(line)), _is_deeper(above, place), unit, place)
            above = line
        found.append(line if read.inside else _moved(line, blocks[-1], unit, exactly=not read.stack))
        read = scan(line + "\n", place.language, read)
    return found


def _moved(line: str, block: tuple[int, int], unit: str, *, exactly: bool) -> str:
    """To the column of its block, or as far as the line that it belongs to was moved."""
    columns = block[1] - (width(leading(line)) if exactly else block[0])
    return moved([line], columns, unit)[0] if columns else line


def _is_deeper(above: str, place: Place) -> bool | None:
    """Whether the line below must stand deeper, or must not; None where either may be."""
    if opens_block(above, place.language):
        return True
    in_item = place.is_list and above.rstrip().endswith(",")
    return False if in_item or opens_nothing(above, place.language) else None


def _enter(blocks: list[tuple[int, int]], column: int, deeper: bool | None, unit: str, place: Place) -> None:
    """Leave the blocks that a line of that column is not in, and enter its own."""
    while len(blocks) > 1 and column < blocks[-1][0] - 1:
        blocks.pop()
    old, new = blocks[-1]
    inside = new + width(unit)
    if deeper and place.language == "python":
        blocks.append((column, inside if column <= old + 1 else _snapped(column + new - old, (inside,))))
    elif column < old - 1:
        blocks[-1] = (column, _snapped(column + new - old, place.enclosing))
    elif column > old + 1:
        blocks.append((column, new if deeper is False else _snapped(column + new - old, (inside,))))


def _snapped(column: int, columns: Sequence[int]) -> int:
    """A column that misses another one by one is meant to be that."""
    return next((other for other in (column, column + 1, column - 1) if other in columns), column)


def _language(question: Question) -> str:
    """Of the code at the cursor; "" in prose, comments and strings."""
    return "" if question.brackets.delimiter or question.gap.language in PROSE else question.gap.language
