"""Which files are worth learning from: written by hand, in this package, and of a readable size."""

from __future__ import annotations

import re

from lacuna.engine.untrusted.secrets import has_token

SMALLEST, BIGGEST = 300, 200_000  # bytes

_VENDORED = re.compile(
    r"(?:^|/)(?:_?vendor(?:ed|s)?|_?vendored_\w+|third[-_]?party|3rd[-_]?party|node_modules|_?externals?|extern|bundled"
    r"|site-packages|blib2to3|typeshed|\.git)/",
    re.IGNORECASE,
)
_GENERATED_PATH = re.compile(
    r"_pb2(?:_grpc)?\.pyi?$|(?:^|/)(?:lextab|parsetab|_version|versioneer)\.py$|[.-]min\.\w+$|\.bundle\.\w+$"
    r"|\.generated\.\w+$|\.pb\.(?:go|cc|h)$|(?:^|/)zz_generated|\.d\.[cm]?ts$"
    r"|(?:^|/)(?:dist|umd|cjs|esm|es5|commonjs|lib/module)/|(?:^|/)migrations/\d{4}_",
    re.IGNORECASE,
)
_GENERATED_HEAD = re.compile(
    r"\b(?:auto[- ]?generated|automatically (?:generated|created)"
    r"|generated (?:by|from|with|using|automatically|code|file)"
    r"|do not (?:edit|modify|change)|don't edit|this file (?:is|was) generated|machine[- ]generated)\b|@generated\b",
    re.IGNORECASE,
)
_HEAD_LINES = 12
# What compilers of JavaScript leave, wherever they leave it.
_COMPILED = re.compile(r"^//# sourceMappingURL=|\b__esModule\b|\b_interopRequire|\b__webpack_require__", re.MULTILINE)
_LONGEST_LINE, _MEAN_LINE = 1_000, 100  # characters; above them it is data or minified
_LEAST_LETTERS = 0.35  # of the characters that are not white space; tables of numbers have fewer
_MOST_LITERALS = 0.5  # of the lines: those that hold literals and no other word
_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\b\d[\w.]*""")
_LETTER = re.compile(r"[^\W\d_]")


def normalised(data: bytes) -> str | None:
    """The text with "\\n" line ends and no byte order mark; None where it is not UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def reason_against(path: str, text: str | None) -> str | None:
    """Why the corpus does not take this file, in one word or two; None where it does."""
    if text is None or "\0" in text:
        return "not UTF-8"
    if _VENDORED.search(path):
        return "vendored"
    size = len(text.encode())
    if not SMALLEST <= size <= BIGGEST:
        return "too small" if size < SMALLEST else "too big"
    if _is_generated(path, text):
        return "generated"
    if _is_minified(text) or _is_data(text):
        return "minified or data"
    return "secret" if has_token(text) else None


def _is_generated(path: str, text: str) -> bool:
    head = "\n".join(text.split("\n", _HEAD_LINES)[:_HEAD_LINES])
    if _GENERATED_PATH.search(path) or _GENERATED_HEAD.search(head):
        return True
    return not path.endswith(".py") and _COMPILED.search(text) is not None


def _is_minified(text: str) -> bool:
    lines = text.split("\n")
    return max(map(len, lines)) > _LONGEST_LINE or len(text) / len(lines) > _MEAN_LINE


def _is_data(text: str) -> bool:
    """Whether it is rather a table than a program."""
    dense = "".join(text.split())
    if sum(map(str.isalpha, dense)) < _LEAST_LETTERS * len(dense):
        return True
    lines = [line for line in text.split("\n") if line.strip()]
    bare = [_LITERAL.subn("", line) for line in lines]
    return sum(found > 0 and not _LETTER.search(rest) for rest, found in bare) > _MOST_LITERALS * len(lines)
