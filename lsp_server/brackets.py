"""Brackets, quotes and comments by a small lexer: what is open at a place, and whether a fill makes it worse.

A lexer and not the tree, because text around a cursor is broken more often than not, and trees differ most where it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OPENERS = {closer: opener for opener, closer in CLOSERS.items()}
_LINE_COMMENTS = ("//", "#", "--")

_HASH_MARK = r"(?<![\w$&{\\])#"  # and not bash's $# or ${#x}
_NEWLINE = "\n"  # as the end of a delimiter: it lasts to the end of the line


@dataclass(frozen=True)
class _Lexis:
    """How a language writes comments and strings: delimiter -> what ends it."""

    comments: dict[str, str]
    strings: dict[str, str]  # one-line strings
    long_strings: dict[str, str] = field(default_factory=dict)  # strings that may run over line ends
    skipped: str = ""  # a pattern of tokens whose quotes and brackets do not count (character literals, lifetimes)

    @cached_property
    def delimiters(self) -> dict[str, str]:
        return self.comments | self.strings | self.long_strings

    @cached_property
    def code(self) -> re.Pattern[str]:
        """The next thing in code that matters."""
        delimiters = sorted(self.delimiters, key=len, reverse=True)  # three quotes before one
        parts = [self.skipped] if self.skipped else []
        parts += [_HASH_MARK if mark == "#" else re.escape(mark) for mark in delimiters]
        return re.compile("|".join([*parts, r"[()\[\]{}]"]))

    @cached_property
    def ends(self) -> dict[str, re.Pattern[str]]:
        """From inside a comment or a string: up to what closes it, or to the end of the line where that ends it too."""
        return {delimiter: re.compile(self._end(delimiter)) for delimiter in self.delimiters}

    def _end(self, delimiter: str) -> str:
        closer = re.escape(self.delimiters[delimiter])
        if delimiter in self.comments:
            return rf"(?s:.*?)({closer})"
        stop = closer if delimiter in self.long_strings else rf"{closer}|\n"
        return rf"(?:[^\\\n{re.escape(self.delimiters[delimiter][0])}]++|\\(?s:.)|(?!{stop})[^\\])*+({stop})"


_QUOTES = {'"': '"', "'": "'"}
_CHARACTER = r"'(?:\\[^\n']{0,10}'|\\''|[^'\\\n]')"
_SLASHES = {"//": _NEWLINE, "/*": "*/"}
# A slash after an operator or a bracket, and not before a space, begins a regular expression and no division.
_REGEX = r"(?<=[=(,:!&|?;{}\[\s])/(?![/*\s=])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"

_C = _Lexis(_SLASHES, {'"': '"'}, {'R"(': ')"'}, _CHARACTER + r"|(?<=\d)'(?=\d)")
_JAVA = _Lexis(_SLASHES, {'"': '"'}, {'"""': '"""'}, _CHARACTER)
_SCRIPT = _Lexis(_SLASHES, _QUOTES, {"`": "`"}, _REGEX)
_GO = _Lexis(_SLASHES, {'"': '"'}, {"`": "`"}, _CHARACTER)
_RUST = _Lexis(_SLASHES, {}, {'"': '"', 'r#"': '"#', 'r##"': '"##'}, _CHARACTER + r"|'(?=[a-z_])")
_PYTHON = _Lexis({"#": _NEWLINE}, _QUOTES, {'"""': '"""', "'''": "'''"})
_HASH = _Lexis({"#": _NEWLINE}, _QUOTES)
_PHP = _Lexis(_SLASHES | {"#": _NEWLINE}, _QUOTES)
_LUA = _Lexis({"--": _NEWLINE, "--[[": "]]"}, _QUOTES, {"[[": "]]"})
_SQL = _Lexis({"--": _NEWLINE, "/*": "*/"}, _QUOTES)
_HASKELL = _Lexis({"--": _NEWLINE, "{-": "-}"}, {'"': '"'}, {}, _CHARACTER)
_OCAML = _Lexis({"(*": "*)"}, {}, {'"': '"'}, _CHARACTER)
_MARKUP = _Lexis({"<!--": "-->"}, {})
_CSS = _Lexis({"/*": "*/"}, _QUOTES)
_PLAIN = _Lexis({}, {})  # prose: an apostrophe opens nothing

_LEXES = {
    "c": _C, "cpp": _C, "csharp": _C, "zig": _C,
    "java": _JAVA, "kotlin": _JAVA, "scala": _JAVA, "swift": _JAVA,
    "javascript": _SCRIPT, "typescript": _SCRIPT, "tsx": _SCRIPT,
    "go": _GO, "rust": _RUST, "python": _PYTHON, "php": _PHP, "lua": _LUA, "sql": _SQL,
    "haskell": _HASKELL, "ocaml": _OCAML, "ocaml_interface": _OCAML,
    "bash": _HASH, "ruby": _HASH, "toml": _PYTHON, "yaml": _HASH, "julia": _PYTHON, "elixir": _PYTHON,
    "json": _Lexis({}, {'"': '"'}), "css": _CSS, "html": _MARKUP,
}  # fmt: skip


@dataclass(frozen=True)
class Scan:
    """What a piece of text does to brackets and quotes, read from a given state."""

    stack: tuple[str, ...]  # what is open at its end, outermost first: brackets, string and comment delimiters
    given: int  # how many of `stack`, from the outside, were open before the text began
    opened: tuple[int, ...]  # the offsets at which the others were opened
    closings: tuple[tuple[int, int], ...]  # (offset, index): closers in the text of what was open before it
    extra: tuple[int, ...]  # the offsets of closers of nothing
    lost: int  # openers given up: an outer bracket closed over them, or the line ended in a string


def scan(text: str, language: str, stack: tuple[str, ...] = ()) -> Scan:
    """Read `text`, beginning with `stack` open. Unknown languages have brackets, and neither strings nor comments."""
    scanner = _Scanner(_LEXES.get(language, _PLAIN), stack)
    position: int | None = 0
    while position is not None and position < len(text):
        position = scanner.step(text, position)
    return Scan(
        stack=tuple(scanner.stack),
        given=scanner.given,
        opened=tuple(scanner.opened),
        closings=tuple(scanner.closings),
        extra=tuple(scanner.extra),
        lost=scanner.lost,
    )


@dataclass(frozen=True)
class Brackets:
    """The brackets and quotes around a cursor, and what a fill would do to them."""

    language: str
    stack: tuple[str, ...]  # open at the cursor, outermost first
    opened: tuple[int, ...]  # their offsets in the text before the cursor
    above: int  # how many of them were opened above the cursor's line
    line_suffix: str  # the rest of the cursor's line
    below: str  # the lines below it, and closers for what is taken to be closed farther down
    closes_above: bool  # the lines below close only what was opened above

    @property
    def delimiter(self) -> str:
        """The string's or comment's delimiter that the cursor is in; "" in code."""
        innermost = self.stack[-1] if self.stack else ""
        return "" if innermost in CLOSERS else innermost

    @cached_property
    def closed(self) -> frozenset[int]:
        """Which of `stack` the text after the cursor closes."""
        return self._after("", 0).closed

    def is_worse_with(self, fill: str, swallowed: int = 0) -> bool:
        """Whether more brackets or quotes than now would match nothing.

        `swallowed` characters after the cursor are gone with the fill. A fill that ends its line may leave brackets
        open: the next suggestion goes on from there.
        """
        now, then = self._after("", 0), self._after(fill, swallowed)
        ends_line = not self.line_suffix[swallowed:].strip()
        return then.extra > now.extra or (then.left_open > now.left_open and not ends_line)

    def wrong_closers(self, fill: str) -> list[int]:
        """Where `fill` closes nothing, or something that the text after the cursor closes already."""
        read = scan(fill, self.language, self.stack)
        return sorted([*read.extra, *(offset for offset, index in read.closings if index in self.closed)])

    def missing_after(self, fill: str, swallowed: int = 0) -> str:
        """The closers that would make whole what is open after `fill` and not closed by the text that follows."""
        stack = scan(fill, self.language, self.stack).stack
        closed = self._after(fill, swallowed).closed
        return _closers(self.language, [mark for index, mark in enumerate(stack) if index not in closed])

    def _after(self, fill: str, swallowed: int) -> _After:
        """Read a fill and what follows it, first to the end of the line."""
        inner = scan(fill, self.language, self.stack)
        rest = scan(self.line_suffix[swallowed:], self.language, inner.stack)
        stack, unfinished = rest.stack, 0
        if self.closes_above:
            above = min(self.above, inner.given, rest.given)
            stack, unfinished = stack[:above], _left_open(stack[above:])
        below = scan(self.below, self.language, stack)
        return _After(
            extra=len(inner.extra) + len(rest.extra) + len(below.extra),
            left_open=inner.lost + rest.lost + below.lost + unfinished + _left_open(below.stack),
            closed=frozenset(index for _, index in (*rest.closings, *below.closings)),
            stack=below.stack,
            given=below.given,
        )


@dataclass(frozen=True)
class _After:
    """What follows a fill, read. `closed` are indices into the stack at the fill's end."""

    extra: int
    left_open: int
    closed: frozenset[int]
    stack: tuple[str, ...]
    given: int


def brackets_around(prefix: str, suffix: str, suffix_is_cut: bool, language: str) -> Brackets:
    """Read the text on both sides of a cursor.

    Where the suffix is only the head of what follows, brackets that were opened above the cursor's line are taken to
    be closed farther down, and those on it to be open still.
    """
    line_start = prefix.rfind("\n") + 1
    above = scan(prefix[:line_start], language)
    here = scan(prefix[line_start:], language, above.stack)
    line_suffix, newline, below = suffix.partition("\n")
    brackets = Brackets(
        language=language,
        stack=here.stack,
        opened=above.opened[: here.given] + tuple(line_start + offset for offset in here.opened),
        above=here.given,
        line_suffix=line_suffix,
        below=newline + below,
        closes_above=_closes_above(prefix[line_start:], below, language, here),
    )
    if not suffix_is_cut:
        return brackets
    brackets = replace(brackets, below=f"{newline}{below}\n")  # ends a comment or string that was cut in its middle
    after = brackets._after("", 0)
    on_the_line = range(here.given, after.given)
    farther = _closers(language, [mark for index, mark in enumerate(after.stack) if index not in on_the_line])
    return replace(brackets, below=brackets.below + farther)


def _closes_above(line: str, below: str, language: str, here: Scan) -> bool:
    """Whether the first closer of something before it in `below` stands too far left to belong to the cursor's line.

    It is what tells `f(|` with the `)` of an outer call below from `f(|` whose arguments are on the lines below.
    """
    extra = scan(below, language).extra
    if not extra or (here.stack and here.stack[-1] not in CLOSERS):
        return False
    before = below[: extra[0]].rpartition("\n")[2]
    indentation = len(line) - len(line.lstrip())
    return not before.strip() and len(before) < indentation and _OPENERS[below[extra[0]]] in here.stack[: here.given]


def _left_open(stack: tuple[str, ...]) -> int:
    """Brackets and strings that nothing closes (a comment that runs to the end of its line is closed by it)."""
    return sum(mark not in _LINE_COMMENTS for mark in stack)


def _closers(language: str, stack: list[str]) -> str:
    """What closes a stack, innermost first."""
    closers = CLOSERS | _LEXES.get(language, _PLAIN).delimiters
    return "".join(closers[mark] for mark in reversed(stack))


class _Scanner:
    """The state of a scan. `stack` and the counts are those of `Scan`."""

    def __init__(self, lexis: _Lexis, stack: tuple[str, ...]) -> None:
        self._lexis = lexis
        self.stack = list(stack)
        self.given = len(stack)
        self.opened: list[int] = []
        self.closings: list[tuple[int, int]] = []
        self.extra: list[int] = []
        self.lost = 0

    def step(self, text: str, position: int) -> int | None:
        """Read on to the next thing that matters; where it ends, or None where there is none."""
        end = self._lexis.ends.get(self.stack[-1]) if self.stack else None
        match = end.match(text, position) if end else self._lexis.code.search(text, position)
        if match is None:
            return None
        if end:
            self._leave(match[1], match.start(1))
        elif match[0] in CLOSERS or match[0] in self._lexis.delimiters:
            self.stack.append(match[0])
            self.opened.append(match.start())
        elif match[0] in _OPENERS:
            self._close(match[0], match.start())
        return match.end()

    def _leave(self, closer: str, offset: int) -> None:
        """Out of a string or a comment, by its closer or by the end of the line."""
        if closer == self._lexis.delimiters[self.stack[-1]]:
            self._pop_to(len(self.stack) - 1, offset)
        else:
            self.lost += 1
            self._pop_to(len(self.stack) - 1, None)

    def _close(self, closer: str, offset: int) -> None:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] == _OPENERS[closer]:
                self.lost += len(self.stack) - 1 - index
                self._pop_to(index, offset)
                return
            if self.stack[index] == "{":  # a brace is the stronger: `{ a )` is a stray parenthesis, `( a }` an open one
                break
        self.extra.append(offset)

    def _pop_to(self, index: int, offset: int | None) -> None:
        if index < self.given:
            self.given = index
            if offset is not None:
                self.closings.append((offset, index))
        del self.stack[index:]
        del self.opened[index - self.given :]
