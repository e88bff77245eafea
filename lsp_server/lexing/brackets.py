"""The brackets and quotes around a cursor: what is open, what the text after it closes, what a fill does to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lacuna.lsp_server.lexing.bracket_scan import CLOSERS, Open, Scan, scan
from lacuna.lsp_server.lexing.indentation import leading, width
from lacuna.lsp_server.lexing.lexis import LINE_COMMENTS, lexis_of

_CASE = re.compile(r"\s*(case|default)\b")
_NO_STATEMENT = re.compile(r"\s*(#|//|/\*|\*|case\b|default\b|\w+\s*:\s*$)")  # comments, directives and labels


@dataclass(frozen=True)
class Brackets:
    """What is open at a cursor. `replaced` are characters after the cursor that a fill takes the place of."""

    language: str
    before: Scan  # of the text before the cursor; offsets are those of the text
    line_suffix: str  # the rest of the cursor's line
    below: str  # the lines below it, and closers for what is taken to be closed farther down
    is_broken: bool  # the string or comment that the cursor is in could run over line ends, and is not closed yet

    @property
    def innermost(self) -> Open | None:
        """What was opened last and is still open."""
        return self.before.stack[-1] if self.before.stack else None

    @property
    def delimiter(self) -> str:
        """The string's or comment's delimiter that the cursor is in; "" in code."""
        return self.before.inside

    @property
    def innermost_is_closed(self) -> bool:
        """Whether the text after the cursor closes what was opened last."""
        return len(self.before.stack) - 1 in self._closed

    def unmatched(self, fill: str, replaced: int = 0) -> tuple[int, int]:
        """(closers of nothing, brackets and strings that nothing closes) with a fill."""
        after = self._after(fill, replaced)
        return after.extra, after.left_open

    def is_worse_with(self, fill: str, replaced: int = 0) -> bool:
        """Whether more would be unmatched than now.

        A fill that ends its line may leave brackets open: the next suggestion goes on from there.
        """
        (extra, left_open), (extra_now, left_open_now) = self.unmatched(fill, replaced), self._unmatched_now
        ends_line = not self.line_suffix[replaced:].strip()
        return extra > extra_now or (left_open > left_open_now and not ends_line)

    def is_better_with(self, fill: str) -> bool:
        """Whether less would be unmatched: the fill closes what nothing else does."""
        (extra, left_open), (extra_now, left_open_now) = self.unmatched(fill), self._unmatched_now
        return extra <= extra_now and left_open < left_open_now

    def wrong_closers(self, fill: str) -> list[int]:
        """Where `fill` closes nothing, or something that the text after the cursor closes already."""
        read = scan(fill, self.language, self.before)
        return sorted([*read.extra, *(offset for offset, index in read.closings if index in self._closed)])

    def missing_after(self, fill: str, replaced: int = 0) -> str:
        """The closers that would make whole what is open after `fill` and not closed by the text that follows."""
        after = self._after(fill, replaced)
        missing = [one for index, one in enumerate(after.inner.stack) if index not in after.closed]
        return _closers(self.language, missing)

    @cached_property
    def _unmatched_now(self) -> tuple[int, int]:
        return self.unmatched("")

    @cached_property
    def _closed(self) -> frozenset[int]:
        """Which of `before.stack` the text after the cursor closes."""
        return self._after("", 0).closed

    def _after(self, fill: str, replaced: int) -> _After:
        inner = scan(fill, self.language, self.before)
        rest = scan(self.line_suffix[replaced:], self.language, inner)
        if self.is_broken and rest.given == len(rest.stack) == len(self.before.stack):
            rest = rest.given_up()
        return _After(inner, rest, scan(self.below, self.language, rest))


@dataclass(frozen=True)
class _After:
    """A fill, read, and what follows it: the rest of its line, and the lines below."""

    inner: Scan
    rest: Scan
    below: Scan

    @property
    def closed(self) -> frozenset[int]:
        """Which of the fill's stack the text that follows closes."""
        below = (index for _, index in self.below.closings if index < self.rest.given)
        return frozenset([*below, *(index for _, index in self.rest.closings)])

    @property
    def extra(self) -> int:
        return len(self.inner.extra) + len(self.rest.extra) + len(self.below.extra)

    @property
    def left_open(self) -> int:
        """A comment that runs to the end of its line is closed by it."""
        open_at_end = sum(one.mark not in LINE_COMMENTS for one in self.below.stack)
        return self.inner.lost + self.rest.lost + self.below.lost + open_at_end


def brackets_around(prefix: str, suffix: str, suffix_is_cut: bool, language: str) -> Brackets:
    """Read the text on both sides of a cursor.

    Where the suffix is only the head of what follows, brackets that were opened above the cursor's line are taken to
    be closed farther down, unless the lines below show that they have ended; and those opened on it to be open still.
    """
    before = scan(prefix, language)
    line_suffix, newline, below = suffix.partition("\n")
    is_broken = _is_broken(before, prefix, line_suffix, below, language)
    brackets = Brackets(language, before, line_suffix, newline + below, is_broken)
    if not suffix_is_cut:
        return brackets
    # The line end ends a comment or string that was cut in its middle, and behind the ";" no closer begins its line.
    brackets = replace(brackets, below=brackets.below + "\n;")
    after = brackets._after("", 0).below
    line_start = prefix.rfind("\n") + 1
    above = (one for one in after.stack[: after.given] if one.offset < line_start)
    farther = [*(one for one in above if not _has_ended(one, prefix, below)), *after.stack[after.given :]]
    return replace(brackets, below=brackets.below + _closers(language, farther))


def _is_broken(before: Scan, prefix: str, line_suffix: str, below: str, language: str) -> bool:
    """Whether the string or comment at the cursor was opened on its line, and what closes it is missing.

    What stands below pairs up without it: an even number of quotes, a comment that begins before one ends.
    """
    lexis = lexis_of(language)
    end = lexis.delimiters.get(before.inside, "\n")
    if end in line_suffix or end == "\n" or before.stack[-1].offset <= prefix.rfind("\n"):
        return False
    if before.inside == end:
        return end in lexis.long_strings and below.count(end) % 2 == 0
    return end not in below or 0 <= below.find(before.inside) < below.find(end)


def _has_ended(one: Open, prefix: str, below: str) -> bool:
    """Whether a line below stands as far left as what opened this one, and is not its closer.

    A body that begins as far left as that itself, as namespaces' often do, tells nothing.
    """
    body = prefix[one.offset :].partition("\n")[2]
    first_inside, first_behind = _first_line(body), _first_statement(below, one, prefix)
    if not first_behind or first_behind.lstrip()[0] == CLOSERS.get(one.mark):
        return False
    return not first_inside or width(leading(first_inside)) > one.margin


def _first_statement(below: str, one: Open, prefix: str) -> str:
    """The first line that stands as far left as what opened `one`, and says something: a `case` does, in another's."""
    is_case = _CASE.match(prefix, prefix.rfind("\n", 0, one.offset) + 1) is not None
    lines = (line for line in below.split("\n") if line.strip() and width(leading(line)) <= one.margin)
    return next((line for line in lines if not _NO_STATEMENT.match(line) or (is_case and _CASE.match(line))), "")


def _first_line(text: str) -> str:
    """The first line with text in it; "" where there is none."""
    return next((line for line in text.split("\n") if line.strip()), "")


def _closers(language: str, stack: Sequence[Open]) -> str:
    """What closes a stack, innermost first."""
    closers = CLOSERS | lexis_of(language).delimiters
    return "".join(closers[one.mark] for one in reversed(stack))
