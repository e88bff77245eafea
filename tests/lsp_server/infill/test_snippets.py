"""Which pieces of other open documents a request takes along."""

from __future__ import annotations

from dataclasses import replace

import pytest
from marked_text import snapshot_at

from lacuna.engine.api import Snippet
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import Document, DocumentStore
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.snippets import MAX_CHARS, MAX_SNIPPETS, WINDOW, Snippets

PARSER = "def parse_invoice(reader, currency):\n    header = reader.header()\n    return Invoice(header, currency)\n"
SHAPES = "class Circle:\n    def area(self):\n        return PI * self.radius ** 2\n"
PARSER_SNIPPET = Snippet(PARSER, "w/billing.py")
HERE = "from billing import parse_invoice\n\ninvoice = parse_invoice(reader, |)\n"


def document(uri: str, text: str, version: int = 1) -> Document:
    return Document(uri, "python", version, text)


def test_what_speaks_of_the_same_comes_along() -> None:
    others = [document("file:///w/shapes.py", SHAPES), document("file:///w/billing.py", PARSER)]
    assert Snippets(Exclusion()).choose(snapshot_at(HERE), others) == (PARSER_SNIPPET,)


def test_the_most_useful_is_last() -> None:
    mention = "print(parse_invoice)\nreader = open_reader()\n"
    others = [document("file:///w/billing.py", PARSER), document("file:///w/other.py", mention + SHAPES)]
    chosen = Snippets(Exclusion()).choose(snapshot_at("parse_invoice reader currency header Invoice |"), others)
    assert chosen[-1] == PARSER_SNIPPET
    assert len(chosen) == 2


def test_at_most_three_of_at_most_600_characters() -> None:
    long = "".join(f"def case_{number}(reader):\n    return parse_invoice(reader)\n\n" for number in range(200))
    chosen = Snippets(Exclusion()).choose(snapshot_at(HERE), [document("file:///w/long.py", long)])
    assert len(chosen) == MAX_SNIPPETS
    assert all(0 < len(snippet.text) <= MAX_CHARS + 1 for snippet in chosen)


def test_one_word_in_common_is_chance() -> None:
    other = document("file:///w/a.py", "from imports import self\n\ndef f():\n    return reader\n")
    assert Snippets(Exclusion()).choose(snapshot_at(HERE), [other]) == ()


def test_excluded_documents_never_come_along() -> None:
    others = [document("file:///w/.env", PARSER), document("file:///w/mine.py", PARSER)]
    assert Snippets(Exclusion(["mine.py"])).choose(snapshot_at(HERE), others) == ()


def test_neither_does_the_document_itself() -> None:
    assert Snippets(Exclusion()).choose(snapshot_at(HERE), [document("untitled:test", PARSER)]) == ()


def test_they_are_chosen_once_per_window() -> None:
    snippets = Snippets(Exclusion())
    other = document("file:///w/billing.py", PARSER)
    first = snippets.choose(snapshot_at(HERE), [other])
    changed = document("file:///w/billing.py", PARSER.replace("header", "heading"), version=2)
    assert snippets.choose(snapshot_at(HERE.replace("|", "x|")), [changed]) == first
    far = snapshot_at("# more\n" * WINDOW + HERE)
    assert snippets.choose(far, [changed]) == (replace(PARSER_SNIPPET, text=PARSER.replace("header", "heading")),)


def test_a_document_that_is_opened_is_looked_at() -> None:
    snippets = Snippets(Exclusion())
    assert snippets.choose(snapshot_at(HERE), []) == ()
    assert snippets.choose(snapshot_at(HERE), [document("file:///w/billing.py", PARSER)]) == (PARSER_SNIPPET,)


def test_where_there_was_nothing_the_next_request_looks_again() -> None:
    snippets = Snippets(Exclusion())
    other = document("file:///w/billing.py", PARSER)
    assert snippets.choose(snapshot_at("|\n"), [other]) == ()
    assert snippets.choose(snapshot_at(HERE), [other]) == (PARSER_SNIPPET,)


def test_a_document_that_was_closed_and_opened_again_is_read_again() -> None:
    snippets = Snippets(Exclusion())
    snippets.choose(snapshot_at(HERE), [document("file:///w/billing.py", PARSER)])
    again = document("file:///w/billing.py", PARSER.replace("header", "heading"))
    far = snapshot_at("# more\n" * WINDOW + HERE)
    assert snippets.choose(far, [again]) == (replace(PARSER_SNIPPET, text=str(again.text)),)


def test_line_ends_are_plain() -> None:
    other = document("file:///w/billing.py", PARSER.replace("\n", "\r\n"))
    assert Snippets(Exclusion()).choose(snapshot_at(HERE), [other]) == (PARSER_SNIPPET,)


def test_cells_that_are_in_the_prefix_do_not_come_twice() -> None:
    store = DocumentStore("utf-32")
    store.open_notebook("file:///n.ipynb", ["cell:1", "cell:2"])
    store.open("cell:1", "python", 1, PARSER)
    store.open("cell:2", "python", 1, HERE.replace("|", ""))
    snapshot = store.snapshot("cell:2", Position(2, 0))
    assert Snippets(Exclusion()).choose(snapshot, store) == ()


SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize("uri", ["file:///w/config.py", "untitled:Untitled-1", "file:///w/notes.txt"])
def test_a_secret_of_another_document_enters_no_snippet(uri: str) -> None:
    other = document(uri, PARSER + f'INVOICE_SECRET_KEY = "{SECRET}"  # parse_invoice reader currency\n' + PARSER)
    chosen = Snippets(Exclusion()).choose(snapshot_at(HERE), [other])
    assert chosen and not any(SECRET[:8] in piece.text for piece in chosen)
