"""What is open at a cursor, by the lexer, in the languages' own strings and comments."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lacuna.lsp_server.lexing.bracket_scan import scan
from lacuna.lsp_server.lexing.brackets import Brackets, brackets_around


def around(marked: str, language: str, is_cut: bool = False) -> Brackets:
    prefix, suffix = marked.split("|", 1)
    return brackets_around(prefix, suffix, is_cut, language)


def closed_at(marked: str, language: str, is_cut: bool = False) -> list[bool]:
    """For each that is open at the cursor whether the text after it closes it."""
    brackets = around(marked, language, is_cut)
    after = scan(brackets.line_suffix + brackets.below, language, brackets.before)
    return [index in {closed for _, closed in after.closings} for index in range(len(brackets.before.stack))]


def test_a_string_that_is_not_closed_yet_does_not_turn_the_lines_below_inside_out() -> None:
    brackets = around("f(() => {\n  g(`a|\n  h(`b`);\n});\n", "javascript")
    assert brackets.unmatched("b`);") == (0, 0)
    assert brackets.unmatched("") == (0, 2)
    assert around('def f():\n    """Words|\n    more (words\n    """\n', "python").unmatched("") == (0, 0)


@pytest.mark.parametrize(
    ("text", "language", "open_"),
    [
        ("f(a[", "python", "( ["),
        ("f(a[1])", "python", ""),
        ("f(')'", "python", "("),
        ("f('", "python", "( '"),
        ("f('it", "python", "( '"),
        ("f('it\n", "python", "("),
        ('"""a "quoted" (word', "python", '"""'),
        ('"""a""" (', "python", "("),
        ("'\\'(", "python", "'"),
        ("'\\\\'(", "python", "("),
        ("# f(", "python", "#"),
        ("# f(\ng(", "python", "("),
        ("f(/* ) */", "c", "("),
        ("f(// )", "c", "( //"),
        ("f('('", "c", "("),
        ("f('\\''", "c", "("),
        ("1'000 (", "cpp", "("),
        ('R"(a " b)" (', "cpp", "("),
        ("f<'a>(", "rust", "("),
        ("f('(', \"", "rust", '( "'),
        ('r#"a " ("# (', "rust", "("),
        ("`a\n(", "go", "`"),
        ("'(' (", "go", "("),
        ("`a ${b", "javascript", "`"),
        ("x = /[(]/; (", "javascript", "("),
        ("a / b / (", "javascript", "("),
        ('"""a "b" (""" (', "java", "("),
        ("${#a} $# {", "bash", "{"),
        ("[[ -- (", "lua", "[["),
        ("-- (", "lua", "--"),
        ("--[[ (", "lua", "--[["),
        ("don't (", "", "("),
        ("don't (", "markdown", "("),
        ("<!-- (", "html", "<!--"),
        ("{ ( }", "c", ""),
        ("{ )", "c", "{"),
    ],
)
def test_scan(text: str, language: str, open_: str) -> None:
    assert [one.mark for one in scan(text, language).stack] == open_.split()


@pytest.mark.parametrize(
    ("marked", "language", "closed"),
    [
        ("f(|)", "python", [True]),
        ("f(|", "python", [False]),
        ("f(|\n    a,\n)\n", "python", [True]),
        ("f(g(|)\n", "python", [False, True]),
        ("f(\n    g(|\n)\n", "python", [True, False]),
        ("f(\n    g(|\n    )\n)\n", "python", [True, True]),
        ('d["|"]', "python", [True, True]),
        ("void f() {\n    g(|\n}\n", "c", [True, False]),
        ("void f() {\n    if (a) {|\n}\n", "c", [True, False]),
        ("void f() {\n    if (a) {|\n    }\n}\n", "c", [True, True]),
        ("void f() {\n    if (a) {|\n    }\n", "c", [False, True]),
    ],
)
def test_what_the_text_after_the_cursor_closes(marked: str, language: str, closed: list[bool]) -> None:
    assert closed_at(marked, language) == closed


def test_a_suffix_that_is_cut_closes_farther_down_what_was_opened_above() -> None:
    marked = "class A {\n    int[] b = {\n        f(|\n        1,\n"
    assert closed_at(marked, "java", is_cut=False) == [False, False, False]
    assert closed_at(marked, "java", is_cut=True) == [True, True, False]


@pytest.mark.parametrize(
    ("marked", "fill", "missing"),
    [
        ("|\n", "f(a, [", "])"),
        ("|\n", "f(a, 'b", "')"),
        ("f(|)\n", "a[", "]"),
        ("f(|\n", "a", ")"),
        ("void f() {\n    |\n}\n", "if (a) {", "}"),
    ],
)
def test_missing_after(marked: str, fill: str, missing: str) -> None:
    assert around(marked, "c" if "void" in marked else "python").missing_after(fill) == missing


@given(
    language=st.sampled_from(["python", "c", "rust", "javascript", "lua", "bash", ""]),
    parts=st.lists(st.sampled_from("()[]{}\"'`#/*-\\\na1 "), max_size=30),
    cut=st.integers(0, 30),
)
def test_reading_in_two_pieces_is_reading_once(language: str, parts: list[str], cut: int) -> None:
    lines = "".join(parts).split("\n")
    head, tail = "\n".join(lines[:cut]), "\n" + "\n".join(lines[cut:])
    assume(not head.endswith("\\"))  # a line end that is escaped is one sign, and is not cut in two
    first = scan(head, language)
    second = scan(tail, language, first)
    whole = scan(head + tail, language)
    assert [(one.mark, one.margin) for one in second.stack] == [(one.mark, one.margin) for one in whole.stack]
    assert len(first.extra) + len(second.extra) == len(whole.extra)
    assert first.lost + second.lost == whole.lost
