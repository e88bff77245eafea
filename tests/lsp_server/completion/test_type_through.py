"""Type-through: what is left of a suggestion after some of it was typed, in marked text (`|` is the cursor)."""

from __future__ import annotations

import pytest
from marked_text import snapshot_at

from lacuna.lsp_server.completion.type_through import DOCUMENTS, Offer, TypeThrough
from lacuna.lsp_server.infill.suggestion import Suggestion


def check(shown_at: str, text: str, now_at: str, *, replaced: int = 0) -> Suggestion | None:
    """What is recalled at `now_at` after `text` was suggested at `shown_at`."""
    type_through = TypeThrough()
    type_through.put(snapshot_at(shown_at), Offer((Suggestion(text, replaced),), invoked=False))
    offer = type_through.find(snapshot_at(now_at))
    return offer.suggestions[0] if offer is not None else None


def test_typing_along_shortens_the_suggestion() -> None:
    assert check("x = |\n", "a + b", "x = |\n") == Suggestion("a + b")
    assert check("x = |\n", "a + b", "x = a |\n") == Suggestion("+ b")
    assert check("x = |", "é = 😀 + b", "x = é = 😀| ".rstrip()) == Suggestion(" + b")


def test_typing_something_else_ends_it() -> None:
    assert check("x = |\n", "a + b", "x = c|\n") is None
    assert check("x = |\n", "a + b", "x = a + b + c|\n") is None


def test_what_was_accepted_is_not_shown_again() -> None:
    assert check("x = |\n", "a + b", "x = a + b|\n") is None
    assert check("if x:|", "\n    pass\n", "if x:\n    pass|") is None, "only white space is left"


def test_going_back_before_the_place_ends_it() -> None:
    assert check("x = |\n", "a + b", "x =|\n") is None


def test_other_text_around_the_cursor_ends_it() -> None:
    assert check("x = |\n", "a + b", "y = |\n") is None
    assert check("x = |\ny = 1\n", "a + b", "x = |\ny = 2\n") is None
    assert check("x = |", "a + b", "x = |\nmore\n") is None, "the document ended there"


def test_several_lines_with_the_documents_line_ends() -> None:
    assert check("if x:|\r\n", "\r\n    a()\r\n    b()", "if x:\r\n    a()|\r\n") == Suggestion("\r\n    b()")
    assert check("if x:|\r\n", "\r\n    a()\r\n    b()", "if x:\r\n  |\r\n") == Suggestion("  a()\r\n    b()")


@pytest.mark.parametrize(
    ("shown_at", "text", "replaced", "now_at", "left"),
    [
        ("f|\n", "(x, y)", 0, "f(|)\n", Suggestion("x, y)", 1)),  # the editor closed the bracket
        ("f|\n", "([x])", 0, "f([|])\n", Suggestion("x])", 2)),
        ("s = |\n", '"text"', 0, 's = "|"\n', Suggestion('text"', 1)),
        ("if (|)\n", "x) {", 1, "if (x|)\n", Suggestion(") {", 1)),
        ("if (|)\n", "x) {", 1, "if (x)|\n", Suggestion(" {", 0)),  # typed over the closing bracket
    ],
)
def test_brackets_that_editors_close(shown_at: str, text: str, replaced: int, now_at: str, left: Suggestion) -> None:
    assert check(shown_at, text, now_at, replaced=replaced) == left


def test_a_closer_that_the_rest_does_not_hold_is_no_reason_to_swallow_it() -> None:
    assert check("f|\n", "(x", "f(|)\n") is None


def test_of_several_suggestions_those_that_agree_are_left() -> None:
    type_through = TypeThrough()
    type_through.put(
        snapshot_at("x = |\n"), Offer((Suggestion("a + b"), Suggestion("c"), Suggestion("a - b")), invoked=True)
    )
    offer = type_through.find(snapshot_at("x = a|\n"))
    assert offer == Offer((Suggestion(" + b"), Suggestion(" - b")), invoked=True)


def test_the_latest_suggestion_comes_first_and_older_ones_are_still_known() -> None:
    type_through = TypeThrough()
    type_through.put(snapshot_at("x = |\n"), Offer((Suggestion("a + b"),), invoked=False))
    type_through.put(snapshot_at("x = a|\n"), Offer((Suggestion(".b"),), invoked=False))
    now = type_through.find(snapshot_at("x = a|\n"))
    before = type_through.find(snapshot_at("x = |\n"))
    assert now is not None and now.suggestions == (Suggestion(".b"),)
    assert before is not None and before.suggestions == (Suggestion("a + b"),)


def test_documents_are_apart_and_few_are_remembered() -> None:
    type_through = TypeThrough()
    uris = [f"untitled:{number}" for number in range(DOCUMENTS + 1)]
    for uri in uris:
        type_through.put(snapshot_at("x = |\n", uri=uri), Offer((Suggestion(uri),), invoked=False))
    found = [type_through.find(snapshot_at("x = |\n", uri=uri)) for uri in uris]
    assert [offer.suggestions[0].text if offer else None for offer in found] == [None, *uris[1:]]
    type_through.forget(uris[1])
    assert type_through.find(snapshot_at("x = |\n", uri=uris[1])) is None
