"""Open documents: edits as notifications bring them, snapshots that stay as they are, notebooks, bad input."""

from __future__ import annotations

import random

import pytest

from lacuna.engine.text import syntax
from lacuna.lsp_server.documents.store import Document, DocumentStore, Snapshot, UnknownDocument
from lacuna.lsp_server.documents.text import Edit, Encoding, Position, Text

URI = "file:///home/ann/a.py"
ENOUGH_MS = 10_000.0
WIDTHS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
PIECES = [
    "x = 1",
    "def f():\n    pass",
    "(",
    ")",
    "\n",
    "\r\n",
    "\r",
    "\f",
    "\u2028",
    "\u0085",
    "\0",
    "é",
    "e\u0301",
    "😀",
]


def at(document: Document, line: int, character: int) -> Snapshot:
    return document.snapshot(Position(line, character), "utf-16", ENOUGH_MS)


def marked(marked_text: str, language_id: str = "python") -> Snapshot:
    """A snapshot of a text whose cursor is at `|`."""
    before, after = marked_text.split("|")
    text = Text(before + after)
    position = text.position(text.place_at(len(before)), "utf-16")
    return Document("untitled:Untitled-1", language_id, 1, before + after).snapshot(position, "utf-16", ENOUGH_MS)


def position_at(text: str, offset: int, encoding: Encoding) -> Position:
    """By definition: line ends and code units before the offset."""
    lines = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    codec = encoding if encoding == "utf-8" else encoding + "-le"
    return Position(len(lines) - 1, len(lines[-1].encode(codec)) // WIDTHS[encoding])


def random_offset(source: random.Random, text: str) -> int:
    offset = source.randrange(len(text) + 1)
    between = 0 < offset < len(text) and text[offset - 1] == "\r" and text[offset] == "\n"
    return offset + 1 if between else offset  # LSP has no position between \r and \n


@pytest.mark.parametrize("encoding", WIDTHS)
def test_random_notifications_keep_text_and_tree(encoding: Encoding) -> None:
    for seed in range(1000):
        source = random.Random(seed)
        text = "".join(source.choice(PIECES) for _ in range(source.randrange(30)))
        store = DocumentStore(encoding)
        store.open(URI, "python", 0, text)
        for version in range(1, 7):
            edits = []
            for _ in range(source.randrange(1, 4)):
                ends = sorted(random_offset(source, text) for _ in range(2))
                new = "".join(source.choice(PIECES) for _ in range(source.randrange(3)))
                start, end = (position_at(text, offset, encoding) for offset in ends)
                edits.append(Edit(start, end, new) if source.random() < 0.9 else Edit(end, start, new))
                text = text[: ends[0]] + new + text[ends[1] :]
            document = store.change(URI, version, edits)
            assert str(document.text) == text, (seed, version)
        parsed = document.tree(ENOUGH_MS)
        assert parsed.is_fresh
        assert parsed.tree is not None
        assert str(parsed.tree.root_node) == str(syntax.parse("python", text).root_node), seed


def test_an_edit_without_a_range_replaces_the_whole_text() -> None:
    document = Document(URI, "python", 1, "old\ntext\n")
    document.change(2, [Edit(None, None, "new"), Edit(Position(0, 3), Position(0, 3), "er\n")], "utf-16")
    assert (str(document.text), document.version) == ("newer\n", 2)
    assert at(document, 1, 0).tree_is_fresh


def test_a_snapshot_stays_as_it_was() -> None:
    document = Document(URI, "python", 1, "a = 1\nb = 2\n")
    snapshot = at(document, 1, 3)
    document.change(2, [Edit(Position(0, 0), Position(1, 0), "")], "utf-16")
    assert (str(snapshot.text), snapshot.version, snapshot.current_line) == ("a = 1\nb = 2\n", 1, "b = 2")
    assert snapshot.tree is not None
    assert [node.start_byte for node in snapshot.tree.root_node.children] == [0, 6]
    assert document.version == 2  # which is how an answer to the snapshot is known to be stale


def test_a_snapshot_knows_the_text_around_the_cursor() -> None:
    snapshot = marked("one é\r\ntwo| 😀\r\nthree")
    assert (snapshot.line, snapshot.column, snapshot.offset, snapshot.byte_offset) == (1, 3, 10, 11)
    assert (snapshot.current_line, snapshot.newline, snapshot.language) == ("two 😀", "\r\n", "python")
    assert (snapshot.prefix(5), snapshot.suffix(4)) == ("\r\ntwo"[-5:], " 😀\r\n")
    assert (snapshot.prefix(99), snapshot.suffix(99)) == ("one é\r\ntwo", " 😀\r\nthree")


@pytest.mark.parametrize(("position", "place"), [((0, 9), (0, 1)), ((9, 0), (1, 1)), ((-1, -1), (0, 0))])
def test_a_cursor_outside_the_document_is_put_into_it(position: tuple[int, int], place: tuple[int, int]) -> None:
    assert at(Document(URI, "python", 1, "a\nb"), *position).place == place


def test_inserting_gives_the_document_as_if_it_had_been_typed() -> None:
    snapshot = marked("def f():\n    |\nx = 1\n")
    inserted = snapshot.insert("return g(\n        1)", ENOUGH_MS)
    assert str(inserted.text) == "def f():\n    return g(\n        1)\nx = 1\n"
    assert (inserted.line, inserted.column) == (2, 10)
    assert inserted.tree is not None
    assert inserted.tree_is_fresh
    assert str(inserted.tree.root_node) == str(syntax.parse("python", str(inserted.text)).root_node)
    assert str(snapshot.text) == "def f():\n    \nx = 1\n"
    assert inserted.insert("", ENOUGH_MS).text.lines(0, 9) == inserted.text.lines(0, 9)


def test_unknown_languages_are_plain_text() -> None:
    snapshot = marked("ADD 1 TO |X.", language_id="cobol")
    assert (snapshot.language, snapshot.tree, snapshot.prefix(99)) == ("", None, "ADD 1 TO ")
    assert snapshot.insert("Y ").tree is None


def test_the_file_name_tells_the_language_where_the_editor_does_not() -> None:
    assert Document("file:///a/main.rs", "", 1, "").language == "rust"
    assert Document("untitled:Untitled-1", "typescriptreact", 1, "").language == "tsx"


def test_a_document_that_grows_too_large_loses_its_tree_and_gets_it_back() -> None:
    document = Document(URI, "python", 1, "x = 1\n")
    assert at(document, 0, 0).tree is not None
    document.change(2, [Edit(Position(0, 0), Position(0, 0), "# " + "a" * 300_000 + "\n")], "utf-16")
    assert (at(document, 0, 0).tree, document.is_parsed) == (None, True)
    document.change(3, [Edit(Position(0, 0), Position(1, 0), "")], "utf-16")
    assert at(document, 0, 0).tree_is_fresh


@pytest.mark.parametrize("text", ["", "\0", "x" * 1_000_000, "é\n" * 3_500_000], ids=["empty", "null", "line", "20MB"])
def test_documents_of_any_size_can_be_edited_and_asked(text: str) -> None:
    document = Document(URI, "python", 1, text)
    document.change(2, [Edit(Position(10**8, 0), Position(10**8, 0), "\ud800\0")], "utf-16")
    snapshot = at(document, 10**9, 0)
    assert snapshot.prefix(3) == (text + "\ufffd\0")[-3:]
    assert snapshot.suffix(3) == ""


def test_the_store_gives_documents_last_used_first() -> None:
    store = DocumentStore()
    for name in "abc":
        store.open(name, "python", 1, name)
    store.change("a", 2, [])
    assert [document.uri for document in store] == ["a", "c", "b"]


def test_a_document_that_is_opened_again_starts_afresh() -> None:
    store = DocumentStore()
    store.open(URI, "python", 7, "old")
    store.open(URI, "python", 1, "new")
    assert (str(store.get(URI).text), store.get(URI).version) == ("new", 1)
    store.close(URI)
    assert list(store) == []


def test_what_is_not_open_is_refused_by_name() -> None:
    store = DocumentStore()
    for ask in (store.get, store.close, store.close_notebook, lambda uri: store.change(uri, 1, [])):
        with pytest.raises(UnknownDocument, match=URI):
            ask(URI)
    with pytest.raises(UnknownDocument, match=URI):
        store.change_notebook(URI, 0, 0, ["cell"])


def test_idle_time_parses_every_open_document() -> None:
    store = DocumentStore()
    for name in ("a.py", "b.js", "c.txt"):
        store.open(name, "", 1, "x = (1)\n" * 500)
    slices = 0
    while not store.parse_on(1.0):
        slices += 1
    assert slices >= 2
    assert all(document.is_parsed for document in store)


def test_cells_of_a_notebook_know_the_cells_before_them() -> None:
    store = DocumentStore()
    store.open_notebook("book", ["cell1", "cell2", "cell3"])
    for cell, language, text in [
        ("cell1", "python", "import os"),
        ("cell2", "markdown", "# Hi"),
        ("cell3", "python", "os."),
    ]:
        store.open(cell, language, 1, text)
    assert [str(cell) for cell in store.snapshot("cell3", Position(0, 3)).cells_before] == ["import os"]
    store.open("cell4", "python", 1, "x = 1")
    store.change_notebook("book", 1, 1, ["cell4"])  # the markdown cell is gone
    store.close("cell2")
    store.change("cell4", 2, [Edit(Position(0, 4), Position(0, 5), "2")])
    assert [str(cell) for cell in store.snapshot("cell3", Position(0, 3)).cells_before] == ["import os", "x = 2"]
    assert store.snapshot("cell1", Position(0, 0)).cells_before == ()
    store.close_notebook("book")
    assert list(store) == []
