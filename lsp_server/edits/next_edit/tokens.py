"""Code as words, literals and signs: what edits are compared in. One lexer for all languages, without a grammar."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"  # strings on one line
    r"|\d[\w.]*"  # numbers
    r"|[^\W\d]\w*"  # words
    r"|[^\w\s]"
)
# Words that name nothing, in one or the other language.
KEYWORDS = frozenset({
    "and", "as", "assert", "async", "await", "break", "case", "catch", "class", "const", "continue", "def", "default",
    "del", "do", "elif", "else", "end", "enum", "except", "export", "extends", "false", "False", "final", "finally",
    "fn", "for", "foreach", "from", "func", "function", "global", "if", "impl", "import", "in", "interface", "is",
    "lambda", "let", "loop", "match", "mod", "mut", "new", "nil", "None", "nonlocal", "not", "null", "or", "package",
    "pass", "private", "protected", "pub", "public", "raise", "return", "self", "static", "struct", "super", "switch",
    "then", "this", "throw", "trait", "true", "True", "try", "type", "typedef", "undefined", "unless", "until", "use",
    "using", "val", "var", "void", "when", "while", "with", "yield",
})  # fmt: skip


class Token(NamedTuple):
    """A word, a literal or a sign, and where it stands in its text."""

    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether somebody chose this word."""
        return (self.text[0].isalpha() or self.text[0] == "_") and self.text not in KEYWORDS

    @property
    def is_literal(self) -> bool:
        return self.text[0].isdigit() or (len(self.text) > 1 and self.text[0] in "\"'")


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of a piece of a text; offsets are those of the whole."""
    matches = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(match[0], *match.span()) for match in matches]
