"""Token healing: where a text is cut does not change what the model is asked."""

from __future__ import annotations

from embedded import tokenizer

from lacuna.engine.text.token_healing import Boundary, heal


def check(marked: str, kept: str, healing_prefix: str, suffix: str | None = None) -> Boundary:
    """`marked` is prefix|suffix; what is read of the prefix, the healing prefix, and the suffix that is read."""
    prefix, given = marked.split("|")
    boundary, ids = heal(prefix, given, tokenizer())
    assert tokenizer().decode(ids).decode() == kept
    assert boundary.healing_prefix.decode() == healing_prefix
    assert boundary.suffix == (given if suffix is None else suffix)
    assert tokenizer().decode(ids) + boundary.healing_prefix + (b"\n" if boundary.newline else b"") == prefix.encode()
    return boundary


def test_the_last_word_is_spelled_again() -> None:
    check("x = conf|\n", "x =", " conf")
    check("    retu|\n", "   ", " retu")  # two tokens, "ret" and "u"
    check("load_conf|", "load_", "conf")
    check("f(a, |", "f(a,", " ")


def test_trailing_white_space_is_spelled_again() -> None:
    check("def f():\n    |\n", "def f():", "\n    ")


def test_a_newline_goes_over_to_a_suffix_that_has_none() -> None:
    boundary = check("def f():\n|    return 1\n", "def f", "():", "\n    return 1\n")
    assert boundary.newline


def test_a_newline_stays_where_the_suffix_begins_with_one() -> None:
    assert not check("a\n|\nb", "a", "\n").newline


def test_an_empty_prefix_has_no_stub() -> None:
    check("|x", "", "")


def test_a_long_run_of_white_space_stays_read_but_for_its_end() -> None:
    boundary, _ = heal("x\n" + " " * 500, "", tokenizer())
    assert 64 <= len(boundary.healing_prefix) < 200


def test_answer_leaves_the_stub_out() -> None:
    boundary = Boundary("", "", b"():", False)
    assert [boundary.answer(spelled) for spelled in (b"():", b"():\n    x")] == ["", "\n    x"]


def test_answer_ends_the_line_whose_newline_was_moved() -> None:
    boundary = Boundary("", "", b"():", True)
    assert [boundary.answer(spelled) for spelled in (b"():", b"():\n    x")] == ["", "    x\n"]


def test_answer_leaves_half_a_character_out() -> None:
    assert Boundary("", "", b"=", False).answer("= é".encode()[:-1]) == " "


def test_may_end_only_with_nothing_or_with_all() -> None:
    boundary = Boundary("", "", b"):", True)
    assert [boundary.may_end(spelled) for spelled in (b")", b"):", b"):\n", b"):\nx")] == [False, True, True, True]
