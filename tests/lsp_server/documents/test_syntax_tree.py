"""The tree that follows edits equals one parsed from scratch, ends under steady typing, and leaves old trees alone."""

from __future__ import annotations

import random

import pytest

from lacuna.engine.text import syntax
from lacuna.engine.text.syntax import Tree
from lacuna.lsp_server.documents.syntax_tree import DocumentTree, ParsedTree, can_have_tree, tree_edit
from lacuna.lsp_server.documents.text import Text

ENOUGH_MS = 10_000.0
PYTHON = "def f(a, b):\n    x = [a, b, (1, 2)]\n    return x\n\n"
PIECES = {
    "python": ["x = 1\n", "if a:\n    b\n", "    ", "(", ")", "\r\n", "\r", "def g(): pass\n", "'é😀'", "#\f\n", "\0"],
    "javascript": ["let x = 1;\n", "if (a) {\n", "}\n", "(", ")", "`${", "`", "// c\u2028\n", "/*", "*/", "\r\n", "é"],
    "go": ["x := 1\n", "func f() {\n", "}\n", "(", ")", '"', "\r", "// é\n", "\u0085"],
    "rust": ["let x = 1;\n", "fn f() {\n", "}\n", "match a { _ => 1 }\n", "(", ")", '"', "'a", "\r\n", "😀"],
}  # fmt: skip


def shape(tree: Tree) -> list[tuple[object, ...]]:
    """Every node with its place, both in bytes and in rows."""
    cursor = tree.walk()
    found: list[tuple[object, ...]] = []
    while True:
        node = cursor.node
        assert node is not None
        found.append((node.type, node.start_byte, node.end_byte, tuple(node.start_point), tuple(node.end_point)))
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found


def finished(tree: DocumentTree) -> Tree:
    parsed = tree.get(ENOUGH_MS)
    assert parsed.is_fresh
    assert parsed.tree is not None
    return parsed.tree


def replace_random(text: Text, source: random.Random, pieces: list[str]) -> tuple[int, int, str]:
    start = source.randrange(len(text) + 1)
    end = min(len(text), start + source.choice([0, 0, 1, 4, 30]))
    return start, end, "".join(source.choice(pieces) for _ in range(source.randrange(4)))


@pytest.mark.parametrize("language", PIECES)
def test_after_random_edits_the_tree_equals_a_full_parse(language: str) -> None:
    for seed in range(120):
        source = random.Random(seed)
        text = Text("".join(source.choice(PIECES[language]) for _ in range(30)))
        tree = DocumentTree(language, text)
        for _ in range(6):
            start, end, new = replace_random(text, source, PIECES[language])
            edit = tree_edit(text, text.place_at(start), text.place_at(end), new)
            text = text.replace(text.place_at(start), text.place_at(end), new)
            tree.edit(edit, text)
            if source.random() < 0.5:
                finished(tree)
        assert shape(finished(tree)) == shape(syntax.parse(language, str(text))), seed


def typed(tree: DocumentTree, text: Text, offset: int, new: str) -> Text:
    place = text.place_at(offset)
    edit, text = tree_edit(text, place, place, new), text.replace(place, place, new)
    tree.edit(edit, text)
    return text


def test_without_time_the_old_tree_serves_with_its_nodes_moved() -> None:
    text = Text(PYTHON)
    tree = DocumentTree("python", text)
    before = finished(tree)
    typed(tree, text, 0, "# é\n")
    parsed = tree.get(0.0)
    assert not parsed.is_fresh
    assert parsed.tree is not None
    function = parsed.tree.root_node.children[0]
    assert (function.start_byte, tuple(function.start_point)) == (5, (1, 0))
    assert before.root_node.children[0].start_byte == 0  # what was handed out stays as it was


def test_a_parse_in_slices_ends_with_the_same_tree() -> None:
    text = Text(PYTHON * 500)
    tree = DocumentTree("python", text)
    assert tree.get(0.0) == ParsedTree(None, False, 0.0)
    slices = 0
    while not tree.is_fresh:
        tree.advance(0.2)
        slices += 1
    assert slices > 1
    assert shape(finished(tree)) == shape(syntax.parse("python", str(text)))


def test_steady_typing_does_not_keep_a_parse_from_ending() -> None:
    text = Text(PYTHON * 2000)
    tree = DocumentTree("python", text)
    keys = 0
    while tree.get(0.0).tree is None:
        text = typed(tree, text, len(text), "x")
        tree.advance(2.0)
        keys += 1
    assert keys > 1, "the text is too small to be parsed in several slices"
    assert not tree.is_fresh
    assert shape(finished(tree)) == shape(syntax.parse("python", str(text)))


def test_a_parse_that_would_take_longer_than_the_deadline_is_not_begun() -> None:
    text = Text(PYTHON)
    slow = DocumentTree("python", text, ParsedTree(syntax.parse("python", PYTHON), True, last_ms=50.0))
    typed(slow, text, 0, "x")
    assert not slow.get(4.0).is_fresh
    assert slow.get(60.0).is_fresh


@pytest.mark.parametrize(("language", "text", "can"), [
    ("python", "x = 1\n", True),
    ("python", "", True),
    ("", "x = 1\n", False),
    ("cobol", "x = 1\n", False),
    ("python", "x = 1\n" * 400_000, False),
    ("json", "1," * 150_000, False),
    ("json", "1," * 90_000, True),
])  # fmt: skip
def test_texts_that_are_too_large_have_no_tree(language: str, text: str, can: bool) -> None:
    assert can_have_tree(language, Text(text)) == can


@pytest.mark.parametrize("text", ["", "\0", "\0\0\n\0", "\ud83d", "(" * 20_000, "\r" * 500, "\ufeffx = 1"])
@pytest.mark.parametrize("language", ["python", "javascript", "cpp", "yaml", "markdown", "haskell"])
def test_odd_texts_are_parsed_and_edited(language: str, text: str) -> None:
    tree = DocumentTree(language, Text(text))
    finished(tree)
    changed = typed(tree, Text(text), len(text) // 2, "a\0b")
    assert shape(finished(tree)) == shape(syntax.parse(language, str(changed)))


def test_a_request_does_not_wait_for_a_parse_that_an_edit_has_outdated() -> None:
    """It would be followed by another; one that is of the newest text is waited for."""
    text = Text(PYTHON * 2000)
    tree = DocumentTree("python", text)
    tree.advance(1.0)
    text = typed(tree, text, 4, "o")
    parsed = tree.get(0.5)  # nothing is known of how long it takes, so it is tried
    assert not parsed.is_fresh
    finished(tree)
    text = typed(tree, text, 4, "x")
    tree.advance(0.1)
    took = tree.get(0.0).last_ms
    text = typed(tree, text, 4, "y")
    assert not tree.get(took).is_fresh
    assert finished(tree).root_node.end_byte == text.byte_count
