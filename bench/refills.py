"""Blocks of real files, removed and written anew by the server's own refill: with what stands behind them, and
without."""

from __future__ import annotations

import ast
import difflib
import time
from dataclasses import dataclass, replace

from held_out import HeldOut

from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.edits.refill.block import Block, Unit, without
from lacuna.lsp_server.edits.refill.refill import Refill, question_of
from lacuna.lsp_server.infill.suggestion import Reason, Rejected
from lacuna.lsp_server.model.worker import Worker

URI = "file:///held_out.py"
MOST_LINES = 12
LENGTHS = {
    "1 line": 1,
    "2 lines": 2,
    "3-4": 4,
    "5-12": MOST_LINES,
}  # names of block lengths, and the most lines of each


@dataclass(frozen=True)
class Removed:
    """The statements of one block of a Python file."""

    text: str
    start: int  # lines, 0-based
    end: int

    @property
    def length(self) -> str:
        lines = self.end - self.start
        return next(name for name, most in LENGTHS.items() if lines <= most)


@dataclass(frozen=True)
class Refilled:
    length: str
    with_suffix: bool
    parses: bool  # the whole file; a block that was not refilled does not
    exact: bool  # but for white space at the ends of lines
    similarity: float  # 0..1, of characters; 0 where nothing came
    milliseconds: float


def blocks(file: HeldOut) -> list[Removed]:
    """Bodies of functions, loops and branches without docstrings."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.For | ast.While | ast.If | ast.With) and not _is_docstring(
            node.body[0]
        ):
            start, end = node.body[0].lineno - 1, node.body[-1].end_lineno or 0
            if end - start <= MOST_LINES and start >= node.lineno:
                found.append(Removed(file.text, start, end))
    return found


async def refill(removed: Removed, worker: Worker, with_suffix: bool) -> Refilled:
    """Removes a block and takes the first draft for it."""
    documents = DocumentStore()
    document = documents.open(URI, "python", 0, removed.text)
    document.parse_on(1000.0)
    lines = removed.text.split("\n")[removed.start : removed.end]
    snapshot = documents.snapshot(URI, Position(removed.start, len(lines[0]) - len(lines[0].lstrip())))
    end = snapshot.text.place(Position(removed.end - 1, len(lines[-1].rstrip())), "utf-16")
    block = Block(Unit.BLOCK, snapshot.place, end)
    began = time.perf_counter()
    hollow = without(snapshot, block)
    question = question_of(snapshot, block, hollow, Exclusion(()))
    if isinstance(question, Rejected):
        return Refilled(removed.length, with_suffix, False, False, 0.0, 0.0)
    if not with_suffix:
        question = replace(question, gap=replace(question.gap, suffix=""))
    draft = await Refill(snapshot, block, hollow, question, 1).candidate(0, worker)
    milliseconds = (time.perf_counter() - began) * 1000.0
    if isinstance(draft, Reason):
        # The same block again is no draft to a user, who has it already; here it is the best there is.
        same = draft is Reason.AS_IT_IS
        return Refilled(removed.length, with_suffix, same, same, float(same), milliseconds)
    whole = str(snapshot.text.replace(draft.start, draft.end, draft.text))
    similarity = difflib.SequenceMatcher(None, _stripped(draft.text), _stripped("\n".join(lines)), False).ratio()
    exact = _stripped(draft.text) == _stripped("\n".join(lines))
    return Refilled(removed.length, with_suffix, _parses(whole), exact, similarity, milliseconds)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
