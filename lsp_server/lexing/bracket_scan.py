"""Reading brackets, quotes and comments: what is open at the end of a text, and what it closes of what was open before.

By a lexer and not by the tree: text around a cursor is broken more often than not, and there trees are at a loss.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from lacuna.lsp_server.lexing.lexis import Lexis, lexis_of

CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OPENERS = {closer: opener for opener, closer in CLOSERS.items()}
_CLOSING_RUN = re.compile(r"[)\]}]+")


class Open(NamedTuple):
    """Something that is open: a bracket, or the delimiter of a string or comment."""

    mark: str
    margin: int  # columns before the statement that it is in: a closer that begins a line stands no further left
    offset: int  # in the text that it was read in


@dataclass(frozen=True)
class Scan:
    """What a piece of text does to brackets and quotes, read from a given state."""

    stack: tuple[Open, ...]  # what is open at its end, outermost first
    given: int  # how many of `stack`, from the outside, were open before the text began
    closings: tuple[tuple[int, int], ...]  # (offset, index): closers in the text of what was open before it
    extra: tuple[int, ...]  # the offsets of closers of nothing
    lost: int  # openers given up: an outer bracket closed over them, or the line ended in a string
    margin: int  # of the statement at its end
    at_line_start: bool  # nothing but white space stands on its last line

    @property
    def inside(self) -> str:
        """The delimiter of the string or comment that the text ends in; "" in code."""
        return self.stack[-1].mark if self.stack and self.stack[-1].mark not in CLOSERS else ""

    def given_up(self) -> Scan:
        """As if what was opened last had been given up."""
        left = len(self.stack) - 1
        return replace(self, stack=self.stack[:left], given=min(self.given, left), lost=self.lost + 1)


def scan(text: str, language: str, before: Scan | None = None) -> Scan:
    """Read `text`, as it goes on after `before`; without it, from the start of a line with nothing open."""
    scanner = _Scanner(text, lexis_of(language), before)
    position: int | None = 0
    while position is not None and position < len(text):
        position = scanner.step(position)
    return Scan(
        stack=tuple(scanner.stack),
        given=scanner.given,
        closings=tuple(scanner.closings),
        extra=tuple(scanner.extra),
        lost=scanner.lost,
        margin=scanner.margin(len(text)),
        at_line_start=scanner.begins_line(len(text), is_whole=before is None or before.at_line_start),
    )


class _Scanner:
    """The state of a scan. `stack` and the counts are those of `Scan`."""

    def __init__(self, text: str, lexis: Lexis, before: Scan | None) -> None:
        self._text = text
        self._lexis = lexis
        self.stack = list(before.stack) if before else []
        self.given = len(self.stack)
        self.closings: list[tuple[int, int]] = []
        self.extra: list[int] = []
        self.lost = 0
        self._line = 0 if before else -1  # the start of the line that `_margin` is of
        self._margin = before.margin if before else 0
        self._before = before

    def step(self, position: int) -> int | None:
        """Read on to the next thing that matters; where it ends, or None where there is none."""
        end = self._lexis.ends.get(self.stack[-1].mark) if self.stack else None
        match = end.match(self._text, position) if end else self._lexis.code.search(self._text, position)
        if match is None:
            return None
        if end:
            self._leave(match[1], match.start(1))
        elif match[0] in CLOSERS or match[0] in self._lexis.delimiters:
            self.stack.append(Open(match[0], self.margin(match.start()), match.start()))
        elif match[0] in _OPENERS:
            self._close(match[0], match.start())
        return match.end()

    def margin(self, offset: int) -> int:
        """Of the statement at `offset`: of its line, unless that line has closed what an earlier one opened."""
        line = self._text.rfind("\n", 0, offset) + 1
        if line != self._line:
            self._line, self._margin = line, self._columns(line)
        return self._margin

    def _columns(self, line: int) -> int:
        rest = self._text[line : line + 200]
        return len(rest[: len(rest) - len(rest.lstrip(" \t"))].expandtabs(4))

    def _leave(self, closer: str, offset: int) -> None:
        """Out of a string or a comment, by its closer or by the end of the line."""
        by_closer = closer == self._lexis.delimiters[self.stack[-1].mark]
        self.lost += not by_closer
        self._pop_to(len(self.stack) - 1, offset if by_closer else None)

    def _close(self, closer: str, offset: int) -> None:
        self.margin(offset)
        if self.begins_line(offset, is_whole=self._before is None):
            self._give_up_deeper(offset)
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index].mark == _OPENERS[closer]:
                self.lost += len(self.stack) - 1 - index
                self._margin = min(self._margin, self.stack[index].margin)
                self._pop_to(index, offset)
                return
            if self.stack[index].mark == "{":  # the stronger: `{ a )` is a stray parenthesis, `( a }` an open one
                break
        if not (self._lexis.is_label(self._text[self._line : offset + 1]) and self._is_from_line_start()):
            self.extra.append(offset)

    def begins_line(self, offset: int, *, is_whole: bool) -> bool:
        """Whether what stands at `offset` begins its line, where the first of the text `is_whole`."""
        self.margin(offset)
        return (self._line > 0 or is_whole) and not self._text[self._line : offset].strip()

    def _is_from_line_start(self) -> bool:
        return self._line > 0 or self._before is None or self._before.at_line_start

    def _give_up_deeper(self, offset: int) -> None:
        """What stands further right than closers that begin a line was never closed, if they then close something."""
        run = _CLOSING_RUN.match(self._text, offset)
        assert run is not None, "a closer"
        columns, outermost = self._columns(self._line), _OPENERS[run[0][-1]]
        wanted = len(self.stack) - len(run[0])
        for index in range(min(wanted, len(self.stack) - 1), -1, -1):
            if self.stack[index].mark == outermost and self.stack[index].margin <= columns:
                self.lost += wanted - index
                self._pop_to(len(self.stack) - (wanted - index), None)
                return

    def _pop_to(self, index: int, offset: int | None) -> None:
        if index < self.given:
            self.given = index
            if offset is not None:
                self.closings.append((offset, index))
        del self.stack[index:]
