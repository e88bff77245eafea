"""Tree-sitter: parsers by name, parses in slices, and questions about a tree. The table of languages is languages.py.

Everything here counts in UTF-8 bytes, as tree-sitter does; `token_boundaries` alone counts in characters.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import tree_sitter
from tree_sitter import Node as Node
from tree_sitter import Parser, Point
from tree_sitter import Tree as Tree  # "as": for those who ask about trees and may not import tree_sitter

from lacuna.engine.text.languages import LANGUAGES
from lacuna.engine.text.languages import Kind as Kind

Reader = Callable[[int, Point], bytes]  # (byte offset, ...) -> some of the text from there on; b"" at its end

_OPENING = re.compile(r".*[(\[{<\"'`]|\w+_start|\w*_quote|do")
_CLOSING = re.compile(r".*[)\]}>\"'`]|\w+_end|\w*_quote|end|done|fi|esac")
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class MissingGrammar:
    """Why a language has no grammar here. Its documents are plain text to us, and everything else works."""

    reason: str


@cache
def grammar(language: str) -> tree_sitter.Language | MissingGrammar:
    """The grammar of a language; imported when first asked for."""
    row = LANGUAGES.get(language)
    if row is None:
        return MissingGrammar(f"no grammar for {language!r}: the table in engine/text/languages.py has no such name")
    package = row.module.replace("_", "-")
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        return MissingGrammar(f"no grammar for {language}: {error}; to have one: pip install {package}")
    try:
        return tree_sitter.Language(getattr(module, row.function)())
    except (AttributeError, ValueError) as error:
        return MissingGrammar(
            f"no grammar for {language}: this {package} does not fit the installed tree-sitter ({error})"
        )


def get_parser(language: str) -> Parser:
    """A new parser (0.6 us, so they need no cache). Raises LookupError with the reason where there is no grammar."""
    found = grammar(language)
    if isinstance(found, MissingGrammar):
        raise LookupError(found.reason)
    return Parser(found)


def parse(language: str, text: str) -> Tree:
    """The tree of a whole text. Raises LookupError where there is no grammar."""
    return get_parser(language).parse(_utf8(text))


class SlicedParse:
    """One parse, done in slices: tree-sitter holds the GIL, so that a thread of its own would not help.

    `read` must give the same text throughout. With `old`, a tree that was told every edit since, only what changed is
    parsed: in 50,000 lines 9 to 140 ms, depending on language and place, where the whole text takes 90 to 270.
    """

    def __init__(self, language: str, read: Reader, old: Tree | None = None) -> None:
        self._parser = get_parser(language)
        self._read = read
        self._old = {"old_tree": old} if old is not None else {}

    def run(self, budget_ms: float) -> Tree | None:
        """Parse on for about `budget_ms`; the tree if it is finished, else None (and the next call goes on)."""
        stopped = False
        deadline = time.perf_counter() + budget_ms / 1000

        def stop(_offset: int, _has_error: bool) -> bool:
            nonlocal stopped
            stopped = time.perf_counter() > deadline
            return stopped

        try:
            return self._parser.parse(self._read, encoding="utf8", progress_callback=stop, **self._old)
        except ValueError:  # tree-sitter's word for a parse that was stopped
            assert stopped, "tree-sitter gave up a parse that nobody stopped"
            return None


def enclosing(tree: Tree, byte: int, language: str, kind: Kind) -> Node | None:
    """The smallest node of a kind that a cursor at `byte` is in.

    Between the brackets or quotes of a node is inside, behind the closing one is not. What has no such ends (a
    statement, Python's blocks) holds the cursor at its first and its last byte as well.
    """
    best = None
    for path in (_path(tree, byte - 1), _path(tree, byte)):
        for depth, node in enumerate(path):
            if _holds(node, byte) and _is(path, depth, kind, language):
                best = node if best is None or _width(node) <= _width(best) else best
    return best


def error_count(tree: Tree, start_byte: int, end_byte: int) -> int:
    """ERROR and MISSING nodes that touch a range of bytes."""
    nodes = _nodes(tree, start_byte, end_byte, lambda node: node.has_error)
    return sum(1 for node in nodes if node.is_error or node.is_missing)


def token_boundaries(language: str, text: str) -> list[int]:
    """Character offsets where a text can be cut without cutting a token: its own ends, and both ends of each token.

    A string is one token; a comment can be cut between its words. Without a grammar, tokens are words and single signs.
    """
    edges = {0, len(text)}
    if isinstance(grammar(language), MissingGrammar):
        return sorted(edges.union(*(match.span() for match in _TOKEN.finditer(text))))
    tree = parse(language, text)
    character = {byte: index for index, byte in enumerate(accumulate((len(_utf8(c)) for c in text), initial=0))}
    strings, comments = _types(language, Kind.STRING), _types(language, Kind.COMMENT)
    for node in _nodes(tree, 0, tree.root_node.end_byte, lambda node: node.type not in strings | comments):
        start, end = character[node.start_byte], character[node.end_byte]
        if node.child_count == 0 or node.type in strings:
            edges.update((start, end))
        if node.type in comments:
            edges.update(start + match.end() for match in re.finditer(r"\S+", text[start:end]))
    return sorted(edges)


def spans(language: str, text: str, kinds: Sequence[Kind], offset: int = 0) -> dict[Kind, list[tuple[int, int]]]:
    """Where the sound nodes of each kind begin and end, in characters, `offset` added. Raises LookupError without a
    grammar."""
    tree = parse(language, text)
    character = {byte: index for index, byte in enumerate(accumulate((len(_utf8(c)) for c in text), initial=0))}
    found: dict[Kind, list[tuple[int, int]]] = {kind: [] for kind in kinds}
    for node in _nodes(tree, 0, tree.root_node.end_byte, lambda node: True):
        for kind in kinds:
            if node.type in _types(language, kind) and node.start_byte < node.end_byte and not node.has_error:
                found[kind].append((offset + character[node.start_byte], offset + character[node.end_byte]))
    return found


@cache
def _types(language: str, kind: Kind) -> frozenset[str]:
    """The node types that are of a kind."""
    found = grammar(language)
    assert not isinstance(found, MissingGrammar), "a tree of a language without a grammar"
    pattern = re.compile(LANGUAGES[language].patterns.get(kind) or kind.value)
    named = (number for number in range(found.node_kind_count) if found.node_kind_is_named(number))
    return frozenset(name for number in named if (name := found.node_kind_for_id(number)) and pattern.fullmatch(name))


def _is(path: list[Node], depth: int, kind: Kind, language: str) -> bool:
    node = path[depth]
    if node.type in _types(language, kind):
        return True
    if kind is not Kind.STATEMENT or depth == 0 or not node.is_named or node.is_extra or node.is_error:
        return False
    blocks = _types(language, Kind.BLOCK)
    return node.type not in blocks and (depth == 1 or path[depth - 1].type in blocks)


def _holds(node: Node, byte: int) -> bool:
    """Whether a cursor at `byte` is in the node; see `enclosing`."""
    if not node.start_byte <= byte <= node.end_byte or node.child_count == 0:
        return node.start_byte < byte < node.end_byte
    first, last = node.child(0), node.child(node.child_count - 1)
    opened, closed = _OPENING.fullmatch(first.type), _CLOSING.fullmatch(last.type) and not last.is_missing
    return (node.start_byte < byte or not opened) and (byte < node.end_byte or not closed)


def _path(tree: Tree, byte: int) -> list[Node]:
    """The nodes around the character that begins at `byte`, the root first.

    Top down, since `Node.parent` searches from the root each time, which is slow inside 10,000 brackets.
    """
    cursor = tree.walk()
    path = [tree.root_node]
    while cursor.goto_first_child_for_byte(max(byte, 0)) is not None:
        node = cursor.node
        assert node is not None, "a cursor without a node"
        if node.start_byte > byte:
            break
        path.append(node)
    return path


def _nodes(tree: Tree, start_byte: int, end_byte: int, enter: Callable[[Node], bool]) -> Iterator[Node]:
    """The nodes that touch a range of bytes, parents first, without those below a node that `enter` refuses."""
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None, "a cursor without a node"
        touches = node.start_byte <= end_byte
        if touches:
            yield node
            # One byte earlier, or a MISSING node, which has no width, would be passed over.
            if enter(node) and cursor.goto_first_child_for_byte(max(start_byte - 1, 0)) is not None:
                continue
        while not touches or not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            touches = True


def _width(node: Node) -> int:
    return node.end_byte - node.start_byte


def _utf8(text: str) -> bytes:
    """As tree-sitter gets it; lone surrogates, which UTF-8 cannot hold, as one byte each."""
    return text.encode("utf-8", "replace")
