"""Whether a fill makes the syntax around the cursor worse, by parsing the enclosing definitions with and without it."""

from __future__ import annotations

import re
from functools import cache, cached_property

from lacuna.engine.text.languages import LANGUAGES, Kind
from lacuna.engine.text.syntax import Node, Tree, error_count, parse
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.lexing.brackets import Brackets

_NEAR = 1500  # bytes on either side of the cursor that are parsed whole
_AT_HOLE = 200  # bytes on either side of the cursor: an error stands where the parser gave up, not where it began
_MAX_BYTES = 30_000  # more takes longer than 5 ms to parse


class SyntaxCheck:
    """Counts ERROR and MISSING nodes around one cursor."""

    def __init__(self, snapshot: Snapshot, brackets: Brackets) -> None:
        self._snapshot = snapshot
        self._brackets = brackets
        self._known: dict[str, int] = {}  # errors with a placeholder at the cursor

    def is_worse_with(self, fill: str, replaced: int = 0) -> bool:
        """Whether there would be more errors than now; False where that cannot be told in a few milliseconds.

        That is where the document has no tree, and in literals of many hundred lines.
        Now is as it stands, or with what could stand at the cursor if that is better: any value would mend `x = `.
        """
        if self._around is None:
            return False
        errors = self._errors(fill, replaced)
        if errors == 0 or self._errors_now("") < errors:
            return errors > 0
        placeholders = LANGUAGES[self._snapshot.language].placeholders if self._hole_is_error else ()
        return any(self._errors_now(text) < errors for text in placeholders)

    @cached_property
    def _hole_is_error(self) -> bool:
        """Whether there is an error near the cursor as it stands: one farther off is none that a value would mend."""
        assert self._around is not None, "there is something to parse"
        before, after = self._around
        at = len(before.encode(errors="replace"))
        tree = parse(self._snapshot.language, before + self._brackets.missing_after("") + after)
        return error_count(tree, at - _AT_HOLE, at + _AT_HOLE) > 0

    @cached_property
    def _around(self) -> tuple[str, str] | None:
        """What is parsed before and after the cursor."""
        tree, at = self._snapshot.tree, self._snapshot.byte_offset
        if tree is None:
            return None
        before, after = _kept(tree, at, self._snapshot.text.byte_count, self._snapshot.language)
        if sum(end - start for start, end in before + after) > _MAX_BYTES:
            return None
        return _read(self._snapshot.text, before), _read(self._snapshot.text, after)

    def _errors_now(self, placeholder: str) -> int:
        if placeholder not in self._known:
            self._known[placeholder] = self._errors(placeholder, 0)
        return self._known[placeholder]

    def _errors(self, fill: str, replaced: int) -> int:
        assert self._around is not None, "there is something to parse"
        before, after = self._around
        # A block that a fill has just opened is not finished, and no error: close it, if it is not closed below.
        missing = self._brackets.missing_after(fill, replaced)
        ends = {"", missing} if fill else {missing}
        return min(self._error_count(before + fill + end + after[replaced:]) for end in ends)

    def _error_count(self, text: str) -> int:
        tree = parse(self._snapshot.language, text)
        return error_count(tree, 0, tree.root_node.end_byte)


_Range = tuple[int, int]  # of bytes


def _kept(tree: Tree, at: int, size: int, language: str) -> tuple[list[_Range], list[_Range]]:
    """What is left before and after a cursor when the blocks around it lose the statements that are far from it.

    A statement list without some of its statements is still one: what is left parses as it did. Statements with errors
    stay: they may have to do with what is missing at the cursor.
    """
    before, after = [0], [size]  # edges of what is kept, from outside in: kept, removed, kept ...
    node: Node | None = tree.root_node
    is_root = True
    while node is not None and node.end_byte - node.start_byte > 2 * _NEAR:
        if is_root or _is_block(node, language):
            before += _without_errors(tree, _far_before(node, at))
            after += _without_errors(tree, _far_after(node, at))
        node, is_root = _first_child(node, at), False
        if node is not None and node.start_byte > at:
            break
    before.append(at)
    after.append(at)
    return list(zip(before[::2], before[1::2], strict=True)), list(zip(after[1::2], after[::2], strict=True))[::-1]


def _far_before(node: Node, at: int) -> list[int]:
    """The range of the block's statements that end well before the cursor, if there are any."""
    first, kept = node.named_child(0), _first_child(node, max(at - _NEAR, 0))
    if first is None or kept is None or not first.start_byte < kept.start_byte <= at:
        return []
    return [first.start_byte, kept.start_byte]


def _far_after(node: Node, at: int) -> list[int]:
    """The range of those that begin well after it, last byte first."""
    far, last = _first_child(node, at + _NEAR), node.named_child(node.named_child_count - 1)
    if far is not None and far.start_byte < at + _NEAR:
        far = far.next_named_sibling
    if far is None or last is None or not max(at, far.start_byte) < last.end_byte:
        return []
    return [last.end_byte, far.start_byte]


def _without_errors(tree: Tree, edges: list[int]) -> list[int]:
    return edges if edges and not error_count(tree, min(edges), max(edges)) else []


def _first_child(node: Node, byte: int) -> Node | None:
    """The first child that ends behind a byte. (`Node.first_child_for_byte` crashes tree-sitter 0.26 if none does.)"""
    cursor = node.walk()
    return cursor.node if cursor.goto_first_child_for_byte(byte) is not None else None


def _is_block(node: Node, language: str) -> bool:
    return _block_types(language).fullmatch(node.type) is not None


@cache
def _block_types(language: str) -> re.Pattern[str]:
    return re.compile(LANGUAGES[language].patterns.get(Kind.BLOCK) or Kind.BLOCK.value)


def _read(text: Text, ranges: list[_Range]) -> str:
    pieces = []
    for start, end in ranges:
        while start < end and (piece := text.read_utf8(start)[: end - start]):
            pieces.append(piece)
            start += len(piece)
    return b"".join(pieces).decode(errors="replace")
