"""What can be refilled at a place: its line, statement, block or function body, or what is selected or marked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from lacuna.engine.text.syntax import Kind, Node, enclosing
from lacuna.lsp_server.documents.store import Snapshot
from lacuna.lsp_server.documents.syntax_tree import NO_TREE, DocumentTree, can_have_tree, tree_edit
from lacuna.lsp_server.documents.text import Place, Text

MAX_CHARS = 4000  # of a block: more is no refill but a new file, and takes minutes on a CPU
TREE_MS = 30.0  # for which a request waits for a tree; nobody types meanwhile

_OPENERS, _CLOSERS = ("{", "(", "[", "do", "begin", "then"), ("}", ")", "]", "end")


class Unit(Enum):
    """What a block is. The value is what menus call it."""

    LINE = "line"
    STATEMENT = "statement"
    BLOCK = "block"
    BODY = "function body"
    SELECTION = "selection"
    DIAGNOSTIC = "what is marked"


@dataclass(frozen=True)
class Block:
    """A piece of a document: without white space at its ends, and never empty."""

    unit: Unit
    start: Place
    end: Place


def blocks_at(snapshot: Snapshot) -> list[Block]:
    """What stands around the cursor, the smallest first; the same piece may be a line, a statement and a block."""
    at = _in_code(snapshot)
    found = [_trimmed(snapshot.text, Unit.LINE, Place(at.line, 0), Place(at.line, len(snapshot.text.line(at.line))))]
    if snapshot.tree is not None and snapshot.tree_is_fresh:
        found += [_block(snapshot, unit, node) for unit, node in _nodes_around(snapshot, at)]
    blocks = [block for block in found if block is not None and _length(snapshot.text, block) <= MAX_CHARS]
    return sorted(blocks, key=lambda block: _length(snapshot.text, block))


def block_between(snapshot: Snapshot, unit: Unit, start: Place, end: Place) -> Block | None:
    """What is selected, or marked; None where that is nothing or too much."""
    block = _trimmed(snapshot.text, unit, start, end)
    return block if block is not None and _length(snapshot.text, block) <= MAX_CHARS else None


def text_of(snapshot: Snapshot, block: Block) -> str:
    """The block as it stands in the document."""
    return snapshot.text.between(block.start, block.end)


def without(snapshot: Snapshot, block: Block) -> Snapshot:
    """The document without the block, the cursor where it was."""
    text = snapshot.text.replace(block.start, block.end, "")
    parsed = NO_TREE
    if snapshot.tree is not None and can_have_tree(snapshot.language, text):
        tree = DocumentTree(snapshot.language, snapshot.text, snapshot.parsed)
        tree.edit(tree_edit(snapshot.text, block.start, block.end, ""), text)
        parsed = tree.get(TREE_MS)
    return replace(snapshot, text=text, line=block.start.line, column=block.start.column, parsed=parsed)


def _nodes_around(snapshot: Snapshot, at: Place) -> list[tuple[Unit, Node]]:
    tree, byte, language = snapshot.tree, snapshot.text.point(at).byte, snapshot.language
    assert tree is not None, "there is a tree"
    found = []
    for unit, kind in ((Unit.STATEMENT, Kind.STATEMENT), (Unit.BODY, Kind.FUNCTION), (Unit.BLOCK, Kind.BLOCK)):
        node = enclosing(tree, byte, language, kind)
        if node is not None and unit is Unit.BODY:
            node = node.child_by_field_name("body")
        if node is not None:
            found.append((unit, node))
    return found


def _block(snapshot: Snapshot, unit: Unit, node: Node) -> Block | None:
    start, end = (node.start_byte, node.end_byte) if unit is Unit.STATEMENT else _inside(node)
    return _trimmed(snapshot.text, unit, snapshot.text.place_of_byte(start), snapshot.text.place_of_byte(end))


def _inside(node: Node) -> tuple[int, int]:
    """The bytes between a node's own brackets, where it has some."""
    if node.child_count < 2:
        return node.start_byte, node.end_byte
    first, last = node.child(0), node.child(node.child_count - 1)
    assert first is not None and last is not None, "a node with children has a first and a last"
    start = first.end_byte if first.type in _OPENERS else node.start_byte
    return start, last.start_byte if last.type in _CLOSERS else node.end_byte


def _in_code(snapshot: Snapshot) -> Place:
    """The cursor; from a line's indentation or the space at its end into its code."""
    line = snapshot.current_line
    first, last = len(line) - len(line.lstrip()), len(line.rstrip())
    return Place(snapshot.line, min(max(snapshot.column, first), max(first, last)))


def _trimmed(text: Text, unit: Unit, start: Place, end: Place) -> Block | None:
    inside = text.between(start, end)
    if not inside.strip():
        return None
    first = text.offset(start) + len(inside) - len(inside.lstrip())
    last = text.offset(end) - len(inside) + len(inside.rstrip())
    return Block(unit, text.place_at(first), text.place_at(last))


def _length(text: Text, block: Block) -> int:
    return text.offset(block.end) - text.offset(block.start)
