"""Builds the question: the text around the cursor, how far a fill should go, and when not to ask at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from lacuna.engine.api import NEAR, Extent, Gap, Snippet
from lacuna.engine.text.languages import Kind
from lacuna.engine.text.syntax import enclosing
from lacuna.lsp_server.documents.exclude import Exclusion, short_path
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.infill.suggestion import Reason, Rejected
from lacuna.lsp_server.lexing.brackets import Brackets, brackets_around
from lacuna.lsp_server.lexing.indentation import expected_after, leading, opens_block, unit_near

JUMPS = 4  # in a window: its start stands still while a quarter of it is typed, and what was read of it stays
BRACKET_CHARS = 2400  # after the cursor, in which brackets are matched
MAX_LINE = 2000  # longer lines are minified or data
PROSE = ("", "markdown")  # languages without calls and blocks

_CELL_GAP = "\n\n"
_AUTOMATIC_TOKENS = 15  # with their end half of the longest canvas, which has 32
_LINE_TOKENS = 31  # with their end all of it
_BLOCK_TOKENS = 60
_BLOCK_LINES = 8

# What stands before the parenthesis of a call or a definition, and the words that do so and are neither.
_CALLEE = re.compile(r"([\w$]+)[!?]?\s?$|[)\]>]$")
_NO_CALLEES = {
    "and", "assert", "await", "case", "catch", "del", "elif", "else", "except", "for", "foreach", "if", "in", "is",
    "lock", "match", "not", "or", "raise", "return", "switch", "synchronized", "throw", "unless", "until", "using",
    "when", "while", "with", "yield",
}  # fmt: skip
_SEMICOLON_ENDS = {
    "c", "cpp", "csharp", "css", "java", "javascript", "php", "rust", "sql", "tsx", "typescript", "zig",
}  # fmt: skip


class Trigger(Enum):
    """Who asks: the editor after a keystroke, or a person by a command."""

    AUTOMATIC = "automatic"
    INVOKED = "invoked"


class Scope(Enum):
    """How far a fill should go."""

    REST_OF_LINE = "rest of line"
    STATEMENT = "statement"  # on a blank line outside any body
    BLOCK = "block"  # on a blank line in a body, or behind what opens one
    ARGUMENTS = "arguments"  # of a call or a definition: up to the closing bracket


@dataclass(frozen=True)
class Question:
    """A gap, and what post-processing has to know about the place it is in."""

    gap: Gap
    scope: Scope
    trigger: Trigger
    max_lines: int  # lines with text in them
    indentation: str  # what a new line of code here would begin with
    indent_unit: str
    brackets: Brackets
    newline: str  # of the document

    @property
    def line_prefix(self) -> str:
        """What stands left of the cursor on its line."""
        return self.gap.prefix.rpartition("\n")[2]

    @property
    def line_suffix(self) -> str:
        """What stands right of the cursor on its line."""
        return self.gap.suffix.partition("\n")[0]

    @property
    def on_blank_line(self) -> bool:
        """Whether the cursor's line holds nothing but white space."""
        return not self.line_prefix.strip() and not self.line_suffix.strip()

    def with_snippets(self, snippets: tuple[Snippet, ...]) -> Question:
        """The same place, with pieces of other files to look at."""
        return replace(self, gap=replace(self.gap, snippets=snippets))


def build_question(
    snapshot: Snapshot, trigger: Trigger, exclusion: Exclusion, extent: Extent = NEAR
) -> Question | Rejected:
    """The question to ask at a snapshot's cursor, or why none should be asked. `extent` is what the model reads."""
    if exclusion.reason(snapshot.uri) is not None:
        return Rejected(Reason.EXCLUDED)
    if len(snapshot.current_line) > MAX_LINE:
        return Rejected(Reason.LINE_TOO_LONG)
    prefix, after = _prefix(snapshot, extent.prefix), snapshot.suffix(BRACKET_CHARS)
    suffix = plain(snapshot.suffix(extent.suffix))
    brackets = brackets_around(prefix, plain(after), len(after) == BRACKET_CHARS, snapshot.language)
    reason = _reason_not_to_ask(prefix, suffix, brackets, trigger)
    if reason is not None:
        return Rejected(reason)
    lines = prefix.split("\n")
    unit = unit_near(lines, suffix.split("\n")[1:], snapshot.language)
    scope = _scope(snapshot, lines, suffix, brackets)
    max_lines, max_tokens = _limits(scope, trigger, lines[-1])
    opens_block_here = scope is Scope.BLOCK and lines[-1].strip() != ""
    return Question(
        # Behind an opener the first line end is that of its own line.
        gap=Gap(
            prefix,
            suffix,
            snapshot.language,
            path=short_path(snapshot.uri),
            max_tokens=max_tokens,
            max_lines=max_lines + opens_block_here,
        ),
        scope=scope,
        trigger=trigger,
        max_lines=max_lines,
        indentation=expected_after(lines if lines[-1].strip() else lines[:-1], unit, snapshot.language),
        indent_unit=unit,
        brackets=brackets,
        newline=snapshot.newline,
    )


def _prefix(snapshot: Snapshot, length: int) -> str:
    """The window before the cursor: from a line start, that moves in jumps, and not from inside a string or comment."""
    text = snapshot.prefix(length)
    first = snapshot.offset - len(text)
    if first == 0 and snapshot.cells_before:
        text, first = _with_cells(text, snapshot.cells_before, length)
    if first > 0:
        text = text[_to_next_jump(first, length) :]
        text = text[text.find("\n") + 1 :]
        text = text[_outside_string(snapshot, text) :]
    return plain(text)


def _to_next_jump(first: int, length: int) -> int:
    """How many characters of a window that begins at `first` to leave out.

    Its start then is a multiple of a quarter of its length, and so the same until a quarter more has been typed.
    """
    jump = length // JUMPS
    return -first % jump


def _with_cells(text: str, cells: tuple[Text, ...], length: int) -> tuple[str, int]:
    """A notebook reads as one text. Also the offset in it at which the window of that length begins."""
    total = sum(len(cell) + len(_CELL_GAP) for cell in cells) + len(text)
    for cell in reversed(cells):
        if len(text) >= length:
            break
        text = cell.before(cell.end, length) + _CELL_GAP + text
    text = text[-length:]
    return text, total - len(text)


def _outside_string(snapshot: Snapshot, window: str) -> int:
    """Where the first line begins that does not begin inside a string or comment; 0 where all is one string."""
    if snapshot.tree is None or len(window) > snapshot.offset:
        return 0
    encoded = window.encode()
    start = snapshot.byte_offset - len(encoded)
    for kind in (Kind.STRING, Kind.COMMENT):
        node = enclosing(snapshot.tree, start, snapshot.language, kind)
        if node is not None and node.start_byte < start < node.end_byte <= snapshot.byte_offset:
            skipped = len(encoded[: node.end_byte - start].decode(errors="ignore"))
            line_end = window.find("\n", skipped)
            return line_end + 1 if line_end >= 0 else 0
    return 0


def _reason_not_to_ask(prefix: str, suffix: str, brackets: Brackets, trigger: Trigger) -> Reason | None:
    """Suggestions that come while a word is being corrected, or behind what is finished, are what users mind most."""
    if "\0" in prefix or "\0" in suffix:
        return Reason.BINARY
    word_left, word_right = _is_word(prefix[-1:]), _is_word(suffix[:1])
    if word_right and (word_left or trigger is Trigger.AUTOMATIC):
        return Reason.IN_WORD
    if trigger is Trigger.INVOKED:
        return None
    if not prefix.strip() and not suffix.strip():
        return Reason.BLANK_DOCUMENT
    line = prefix.rpartition("\n")[2].rstrip()
    in_statement = brackets.innermost is None or brackets.innermost.mark == "{"
    finished = line.endswith(";") and in_statement and brackets.language in _SEMICOLON_ENDS
    return Reason.STATEMENT_FINISHED if finished and not suffix.partition("\n")[0].strip() else None


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _scope(snapshot: Snapshot, lines: list[str], suffix: str, brackets: Brackets) -> Scope:
    """How far a fill should go. Where the tree has no word, as in code that is just being typed, the text decides."""
    left, right = lines[-1], suffix.partition("\n")[0]
    blank = not left.strip() and not right.strip()
    if brackets.delimiter or snapshot.language in PROSE:
        return Scope.STATEMENT if blank else Scope.REST_OF_LINE
    if _in_arguments(snapshot, lines, brackets):
        return Scope.ARGUMENTS
    if blank:
        return Scope.BLOCK if _in_body(snapshot, lines, suffix, brackets) else Scope.STATEMENT
    return Scope.BLOCK if not right.strip() and opens_block(left, snapshot.language) else Scope.REST_OF_LINE


def _in_arguments(snapshot: Snapshot, lines: list[str], brackets: Brackets) -> bool:
    """Inside the parentheses of a call or a definition, and in no block or literal within them."""
    if brackets.innermost is None or brackets.innermost.mark != "(":
        return False
    if _enclosing(snapshot, Kind.ARGUMENTS):
        return True
    before = "\n".join(lines)[: brackets.innermost.offset]
    callee = _CALLEE.search(before[-100:])
    return callee is not None and callee[1] not in _NO_CALLEES


def _in_body(snapshot: Snapshot, lines: list[str], suffix: str, brackets: Brackets) -> bool:
    """Whether a blank line belongs to something larger: between brackets, in a block, or indented."""
    if brackets.innermost or _enclosing(snapshot, Kind.BLOCK):
        return True
    above = next((line for line in reversed(lines[:-1]) if line.strip()), "")
    below = next((line for line in suffix.split("\n") if line.strip()), "")
    if leading(below) or opens_block(above, snapshot.language):
        return True
    return bool(lines[-1] and leading(above))


def _enclosing(snapshot: Snapshot, kind: Kind) -> bool:
    if snapshot.tree is None or not snapshot.tree_is_fresh:
        return False
    return enclosing(snapshot.tree, snapshot.byte_offset, snapshot.language, kind) is not None


def _limits(scope: Scope, trigger: Trigger, line_prefix: str) -> tuple[int, int]:
    """The most lines and tokens worth having. Unasked, a line is what one can read while typing."""
    if trigger is Trigger.AUTOMATIC:
        return 1, _AUTOMATIC_TOKENS
    one_line = scope is Scope.REST_OF_LINE or (scope is Scope.ARGUMENTS and line_prefix.strip())
    return (1, _LINE_TOKENS) if one_line else (_BLOCK_LINES, _BLOCK_TOKENS)
