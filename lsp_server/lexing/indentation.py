"""Indentation: the unit that a file uses, what a new line should begin with, and a fill brought into that form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lacuna.lsp_server.lexing.bracket_scan import scan

_TWO_SPACES = {
    "css", "elixir", "haskell", "html", "javascript", "json", "lua", "ocaml", "ruby", "scala", "tsx", "typescript",
    "yaml",
}  # fmt: skip
_OPENING_ENDS = ("{", ":", "(", "[", ">")
_NEAR_LINES = 200
_TAB_WIDTH = 4  # columns, where tabs and spaces have to be compared

_WORDS = ("ruby", "lua", "bash", "elixir", "julia", "haskell", "ocaml", "sql")  # languages that open blocks with words
_OPENING_WORD = re.compile(r"\b(do(\s*\|[^|]*\|)?|then|else|begin|of|where|try|loop)$")
_OPENING_LINE = re.compile(
    r"\s*(local\s+)?(def|class|module|if|unless|while|until|for|case|when|function|struct|elsif|elseif|elif|rescue|ensure)\b"
    r"(?!.*\bend\b)"
)
_LINE_OPENERS = {"ruby", "lua", "julia"}  # of _WORDS: `def f(x)` alone opens a block
_PYTHON_BLOCK = re.compile(
    r"\s*((async\s+)?(if|elif|else|for|while|with|try|except|finally|def|class|match|case)\b.*|[)\]}].*):$"
)
_YAML_VALUE = re.compile(r"\s*[^\s#-][^#]*:\s+[^\s|>&*!\[{\"'].*")  # and no block of text below it
_GO_ENDS = (")", "]", "}", '"', "`", "'", "++", "--")  # behind which Go puts a semicolon
_STATEMENT_ENDS = {
    "c", "cpp", "csharp", "css", "java", "javascript", "php", "rust", "tsx", "typescript", "zig",
}  # fmt: skip
_HEAD = re.compile(r"(?P<condition>[\s}]*(else\s+)?if\s*(?=\()|\s*(for|foreach|while)\s*(?=\())|[\s}]*else$|\s*do$")
_STATEMENT_LINES = 30
_NOT_CODE = ("", "markdown", "html", "yaml")
_GOES_ON_BELOW = ("\\", "&&", "||", " and", " or")
_GOES_ON_FROM = re.compile(r"\s+(?:(?:implements|extends|throws|permits|where|and|or|not)\b.*|(?:&&|\|\|).*)[{:]$")
_LABEL = re.compile(r"\s*(case\b.*|default\s*|[a-z]+\s*):$")


def unit_of(lines: Iterable[str], language: str) -> str:
    """One step of indentation: a tab, or some spaces; by what most lines below a line that opens something have."""
    steps: Counter[str] = Counter()
    above = ""
    for line in lines:
        if not line.strip():
            continue
        if above.endswith(_OPENING_ENDS) or (language in _WORDS and not above.endswith((",", *_GOES_ON_BELOW))):
            steps[leading(line).removeprefix(leading(above))] += leading(line).startswith(leading(above))
        above = line.rstrip()
    known = [step for step in ("\t", "  ", "    ", "   ", " " * 8, " ") if steps[step]]
    if known:
        return max(known, key=lambda step: steps[step])
    return "\t" if language == "go" else " " * (2 if language in _TWO_SPACES else 4)


def unit_near(above: Sequence[str], below: Sequence[str], language: str) -> str:
    """The unit of a file at a place in it: tabs or spaces as the nearest indented lines of the block have.

    The last of `above` is the cursor's line; `below` are those that follow it.
    """
    unit, near = unit_of([*above, *below], language), _nearest_leading(above, below)
    if not near or ("\t" in near) == (unit == "\t"):
        return unit
    if "\t" in near:
        return "\t"
    with_spaces = unit_of((line for line in (*above, *below) if not line.startswith("\t")), language)
    return with_spaces if with_spaces != "\t" else " " * _TAB_WIDTH


def _nearest_leading(above: Sequence[str], below: Sequence[str]) -> str:
    """The white space of the nearest indented line; of those below where the block begins right above the cursor."""
    if leading(above[-1]):
        return leading(above[-1])
    for lines in (reversed(above[-_NEAR_LINES:-1]), below[:_NEAR_LINES]):
        line = next((line for line in lines if line.strip() and not line.lstrip().startswith("*")), "")
        if leading(line):
            return leading(line)
    return ""


def leading(line: str) -> str:
    """The white space that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def width(whitespace: str) -> int:
    """Its columns."""
    return len(whitespace.expandtabs(_TAB_WIDTH))


def opens_block(line: str, language: str) -> bool:
    """Whether what is written on `line` so far opens a block that goes on below."""
    code = line.rstrip()
    if code.endswith("{"):
        return True
    if language == "python":
        return _PYTHON_BLOCK.match(code) is not None and not scan(code, language).stack
    if language in _WORDS:
        return bool(_OPENING_WORD.search(code) or (language in _LINE_OPENERS and _OPENING_LINE.match(code)))
    return code.endswith(":") and language not in ("", "yaml", "markdown") and _LABEL.match(code) is not None


def opens_nothing(line: str, language: str) -> bool:
    """Whether it is known that the lines below do not belong to what is written on `line`; False where it is not."""
    code = line.rstrip()
    if opens_block(code, language) or code.endswith(("\\", ",", "(", "[", "{")):
        return False
    if language == "python":
        return not scan(code, language).stack
    if language == "yaml":
        return _YAML_VALUE.match(code) is not None
    if language == "go":
        return code[-1:].isalnum() or code.endswith(_GO_ENDS)
    return language in _STATEMENT_ENDS and code.endswith((";", "}"))


def asks_for_statement(line: str, language: str) -> bool:
    """Whether it is the head of a statement without braces, as C's `if (x)`: the next line is its body."""
    head = _HEAD.match(line) if language in _STATEMENT_ENDS else None
    if head is None:
        return False
    rest = line[head.end() :].rstrip()
    return _is_in_parentheses(rest, language) if head["condition"] else not rest


def _is_in_parentheses(code: str, language: str) -> bool:
    """Whether its first parenthesis is closed at its end: behind it nothing is done yet."""
    is_closed_before = any(not scan(code[:end], language).stack for end in range(1, len(code)) if code[end - 1] == ")")
    return code.startswith("(") and code.endswith(")") and not is_closed_before and not scan(code, language).stack


def expected_after(lines: Sequence[str], unit: str, language: str) -> str:
    """What a new line below `lines` would begin with: the statement's own indentation, one step more in a new block."""
    statement = last_statement(lines, language)
    if opens_block(statement, language):
        return leading(statement) + unit
    if statement.endswith(("(", "[")):
        return leading(lines[_last_line(lines)]) + unit
    return leading(statement)


def last_statement(lines: Sequence[str], language: str) -> str:
    """The last line with text and those above it that it goes on from, as one line: `if (a && b) {`; "" for none."""
    index = _last_line(lines)
    if index < 0:
        return ""
    first = _first_of_statement(lines, index, language)
    return leading(lines[first]) + " ".join(line.strip().removesuffix("\\") for line in lines[first : index + 1])


def _first_of_statement(lines: Sequence[str], index: int, language: str) -> int:
    """The line on which the statement that ends on line `index` began."""
    text = lines[index]
    for first in range(index, max(index - _STATEMENT_LINES, 0), -1):
        if not _goes_on(lines[first - 1], lines[first], text, language):
            return first
        text = f"{lines[first - 1]}\n{text}"
    return 0 if index < _STATEMENT_LINES else index


def _last_line(lines: Sequence[str]) -> int:
    """The last with text; the lines of a block comment stand one column further right than the comment."""
    return next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip() and lines[i].lstrip()[0] != "*"), -1)


def _goes_on(above: str, line: str, text: str, language: str) -> bool:
    """Whether `text`, which begins with `line`, closes brackets that were opened before, or goes on from above."""
    if scan(text, language).extra:
        return True
    is_parted = above.rstrip().endswith(_GOES_ON_BELOW) or _GOES_ON_FROM.match(line) is not None
    return is_parted and language not in _NOT_CODE


def with_unit(lines: Sequence[str], unit: str) -> list[str]:
    """`lines` with their indentation in the file's own kind: tabs for spaces, or spaces for tabs."""
    if unit == "\t":
        steps = [len(leading(line)) for line in lines if line.startswith("  ")]
        old, new = " " * (4 if all(count % 4 == 0 for count in steps) else 2), unit
    else:
        old, new = "\t", unit
    return [leading(line).replace(old, new) + line.lstrip(" \t") for line in lines]


def moved(lines: Sequence[str], columns: int, unit: str) -> list[str]:
    """`lines` moved to the right by so many columns, or to the left as far as their white space goes."""
    return [_moved(line, columns, unit) if line.strip() else line for line in lines]


def _moved(line: str, columns: int, unit: str) -> str:
    wanted = max(width(leading(line)) + columns, 0)
    tabs = wanted // _TAB_WIDTH if unit == "\t" else 0
    return "\t" * tabs + " " * (wanted - tabs * _TAB_WIDTH) + line.lstrip(" \t")
