"""How languages write comments and strings: what a small lexer needs to tell brackets from text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

LINE_COMMENTS = ("//", "#", "--")

_HASH_MARK = r"(?<![\w$&{\\])#"  # and not bash's $# or ${#x}
_NEWLINE = "\n"  # as the end of a delimiter: it lasts to the end of the line


@dataclass(frozen=True)
class Lexis:
    """One language's comments and strings: delimiter -> what ends it."""

    comments: dict[str, str]
    strings: dict[str, str]  # one-line strings
    long_strings: dict[str, str] = field(default_factory=dict)  # strings that may run over line ends
    skipped: str = ""  # a pattern of tokens whose quotes and brackets do not count (character literals, lifetimes)
    label: str = ""  # a pattern of beginnings of lines that end in a closer of nothing: the patterns of `case`

    @cached_property
    def delimiters(self) -> dict[str, str]:
        return self.comments | self.strings | self.long_strings

    def is_label(self, line: str) -> bool:
        """Whether a line, up to a closing bracket, is a label that ends in one."""
        return self.label != "" and re.fullmatch(self.label, line) is not None

    @cached_property
    def code(self) -> re.Pattern[str]:
        """The next bracket or delimiter in code (or a token to skip)."""
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

_C = Lexis(_SLASHES, {'"': '"'}, {'R"(': ')"'}, _CHARACTER + r"|(?<=\d)'(?=\d)")
_JAVA = Lexis(_SLASHES, {'"': '"'}, {'"""': '"""'}, _CHARACTER)
_SCRIPT = Lexis(_SLASHES, _QUOTES, {"`": "`"}, _REGEX)
_GO = Lexis(_SLASHES, {'"': '"'}, {"`": "`"}, _CHARACTER)
_RUST = Lexis(_SLASHES, {}, {'"': '"', 'r#"': '"#', 'r##"': '"##'}, _CHARACTER + r"|'(?=[a-z_])")
_PYTHON = Lexis({"#": _NEWLINE}, _QUOTES, {'"""': '"""', "'''": "'''"})
_HASH = Lexis({"#": _NEWLINE}, _QUOTES)
_BASH = Lexis({"#": _NEWLINE}, _QUOTES, label=r"\s*[^\s()#;&<>=$][^()#;&<>=]*\)")
_PHP = Lexis(_SLASHES | {"#": _NEWLINE}, _QUOTES)
_LUA = Lexis({"--": _NEWLINE, "--[[": "]]"}, _QUOTES, {"[[": "]]"})
_SQL = Lexis({"--": _NEWLINE, "/*": "*/"}, _QUOTES)
_HASKELL = Lexis({"--": _NEWLINE, "{-": "-}"}, {'"': '"'}, {}, _CHARACTER)
_OCAML = Lexis({"(*": "*)"}, {}, {'"': '"'}, _CHARACTER)
_MARKUP = Lexis({"<!--": "-->"}, {})
_CSS = Lexis({"/*": "*/"}, _QUOTES)
_PLAIN = Lexis({}, {})  # prose: an apostrophe opens nothing

_LEXES = {
    "c": _C, "cpp": _C, "csharp": _C, "zig": _C,
    "java": _JAVA, "kotlin": _JAVA, "scala": _JAVA, "swift": _JAVA,
    "javascript": _SCRIPT, "typescript": _SCRIPT, "tsx": _SCRIPT,
    "go": _GO, "rust": _RUST, "python": _PYTHON, "php": _PHP, "lua": _LUA, "sql": _SQL,
    "haskell": _HASKELL, "ocaml": _OCAML, "ocaml_interface": _OCAML,
    "bash": _BASH, "ruby": _HASH, "toml": _PYTHON, "yaml": _HASH, "julia": _PYTHON, "elixir": _PYTHON,
    "json": Lexis({}, {'"': '"'}), "css": _CSS, "html": _MARKUP,
}  # fmt: skip


def lexis_of(language: str) -> Lexis:
    """A language's; unknown ones have brackets, and neither strings nor comments."""
    return _LEXES.get(language, _PLAIN)
