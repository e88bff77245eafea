"""The syntax tree of one document, kept up with its edits; parsed in slices on the caller's thread."""

from __future__ import annotations

import time
from typing import NamedTuple

from lacuna.engine.text.syntax import MissingGrammar, SlicedParse, Tree, grammar
from lacuna.lsp_server.documents.text import Place, Point, Text

MAX_BYTES = 2_000_000  # at a third of it parsing again after an edit takes 9 to 140 ms already
MAX_LINE = 200_000  # characters; grammars that look at columns count them from the start of the line


class TreeEdit(NamedTuple):
    """A replacement as tree-sitter is told of it."""

    start: Point
    old_end: Point
    new_end: Point


class ParsedTree(NamedTuple):
    """What a document can say of its tree at some moment."""

    tree: Tree | None = None  # None: no grammar, the document is too large, or its first parse is still under way
    is_fresh: bool = False  # False: an older tree, its nodes moved by the edits since
    last_ms: float = 0.0  # what the last parses took, which tells what the next is likely to take


NO_TREE = ParsedTree()


class DocumentTree:
    """A tree that is either that of the latest text, or an older one whose nodes were moved along with the edits since.

    Trees that were handed out never change. A parse that is under way goes on through edits and is brought up to date
    afterwards, so that steady typing cannot keep it from ending.
    """

    def __init__(self, language: str, text: Text, parsed: ParsedTree = NO_TREE) -> None:
        """`parsed` is what is known of the tree of `text`, if anything."""
        self._language = language
        self._text = text
        self._tree, self._fresh, self._last_ms = parsed
        self._parse: SlicedParse | None = None
        self._edits_since: list[TreeEdit] = []  # since the parse under way began
        self._spent_ms = 0.0  # on the parse under way

    @property
    def is_fresh(self) -> bool:
        """Whether the tree is that of the latest text."""
        return self._fresh

    def edit(self, edit: TreeEdit, text: Text) -> None:
        """The document has become `text` by one replacement."""
        self._text = text
        self._fresh = False
        if self._parse is not None:
            self._edits_since.append(edit)
        if self._tree is not None:
            self._tree = edited(self._tree, edit)

    def get(self, deadline_ms: float) -> ParsedTree:
        """The tree as it is now; if it is not fresh and `deadline_ms` is likely to be enough, parsed first."""
        if self._likely_ms() <= deadline_ms:
            self.advance(deadline_ms)
        return ParsedTree(self._tree, self._fresh, self._last_ms)

    def advance(self, budget_ms: float) -> None:
        """Parse on for about `budget_ms`, unless the tree is fresh before."""
        start = time.perf_counter()
        while not self._fresh and (left_ms := budget_ms - _milliseconds_since(start)) > 0:
            if self._parse is None:
                self._parse = SlicedParse(self._language, self._text.read_utf8, self._tree)
                self._edits_since, self._spent_ms = [], 0.0
            slice_start = time.perf_counter()
            tree = self._parse.run(left_ms)
            self._spent_ms += _milliseconds_since(slice_start)
            if tree is not None:
                self._finish(tree)

    def _likely_ms(self) -> float:
        """Until the tree is fresh, as far as can be told: a parse that began before an edit is followed by another."""
        left = self._last_ms - self._spent_ms
        is_behind = self._parse is not None and self._edits_since
        return max(left, 0.0) + self._last_ms if is_behind else left

    def _finish(self, tree: Tree) -> None:
        for edit in self._edits_since:
            tree = edited(tree, edit)
        self._tree, self._fresh, self._parse = tree, not self._edits_since, None
        # A long one counts for several: which edit leaves much to parse cannot be told, and a request that waits for a
        # tree in vain has lost 2 ms.
        self._last_ms, self._spent_ms = max(self._spent_ms, self._last_ms / 2), 0.0


def can_have_tree(language: str, text: Text) -> bool:
    """Whether there is a grammar for the language and the text is not too large for a tree."""
    fits = text.byte_count <= MAX_BYTES and text.longest_line <= MAX_LINE
    return fits and not isinstance(grammar(language), MissingGrammar)


def tree_edit(old: Text, start: Place, end: Place, new: str) -> TreeEdit:
    """What to tell a tree of `old` when `new` takes the place of `start` to `end`."""
    first, data = old.point(start), new.encode()
    row_start = data.rfind(b"\n") + 1
    column = len(data) - row_start if row_start else first.column + len(data)
    new_end = Point(first.byte + len(data), first.row + data.count(b"\n"), column)
    return TreeEdit(first, old.point(end), new_end)


def edited(tree: Tree, edit: TreeEdit) -> Tree:
    """A copy of a tree (2 us: the nodes are shared) whose nodes are moved by an edit."""
    tree = tree.copy()
    start, old_end, new_end = edit
    tree.edit(start.byte, old_end.byte, new_end.byte, start[1:], old_end[1:], new_end[1:])
    return tree


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
