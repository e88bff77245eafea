"""Seams: where a text is cut does not change what the model is asked."""

from __future__ import annotations

from embedded import tokenizer
from lacuna.engine.text.token_healing import Seam, normalise


def check(marked: str, kept: str, stub: str, suffix: str | None = None) -> Seam:
    """`marked` is prefix|suffix; what is read of the prefix, the stub, and the suffix that is read."""
    prefix, given = marked.split("|")
    seam, ids = normalise(prefix, given, tokenizer())
    assert tokenizer().decode(ids).decode() == kept
    assert seam.stub.decode() == stub
    assert seam.suffix == (given if suffix is None else suffix)
    assert tokenizer().decode(ids) + seam.stub + (b"\n" if seam.newline else b"") == prefix.encode()
    return seam


def test_the_last_word_is_spelled_again() -> None:
    check("x = conf|\n", "x =", " conf")
    check("    retu|\n", "   ", " retu")  # two tokens, "ret" and "u"
    check("load_conf|", "load_", "conf")
    check("f(a, |", "f(a,", " ")


def test_trailing_white_space_is_spelled_again() -> None:
    check("def f():\n    |\n", "def f():", "\n    ")


def test_a_newline_goes_over_to_a_suffix_that_has_none() -> None:
    seam = check("def f():\n|    return 1\n", "def f", "():", "\n    return 1\n")
    assert seam.newline


def test_a_newline_stays_where_the_suffix_begins_with_one() -> None:
    assert not check("a\n|\nb", "a", "\n").newline


def test_an_empty_prefix_has_no_stub() -> None:
    check("|x", "", "")


def test_a_long_run_of_white_space_stays_read_but_for_its_end() -> None:
    seam, _ = normalise("x\n" + " " * 500, "", tokenizer())
    assert 64 <= len(seam.stub) < 200


def test_answer_leaves_the_stub_out() -> None:
    seam = Seam("", "", b"():", False)
    assert [seam.answer(spelled) for spelled in (b"():", b"():\n    x")] == ["", "\n    x"]


def test_answer_ends_the_line_whose_newline_was_moved() -> None:
    seam = Seam("", "", b"():", True)
    assert [seam.answer(spelled) for spelled in (b"():", b"():\n    x")] == ["", "    x\n"]


def test_answer_leaves_half_a_character_out() -> None:
    assert Seam("", "", b"=", False).answer("= é".encode()[:-1]) == " "


def test_may_end_only_with_nothing_or_with_all() -> None:
    seam = Seam("", "", b"):", True)
    assert [seam.may_end(spelled) for spelled in (b")", b"):", b"):\n", b"):\nx")] == [False, True, True, True]
