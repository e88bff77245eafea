"""From marked text to the question: windows, scope, indentation, limits, and when nothing is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from marked_text import context_at, snapshot_at

from lacuna.engine.api import NEAR, Extent
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.syntax_tree import NO_TREE
from lacuna.lsp_server.documents.text import Position
from lacuna.lsp_server.infill.question import JUMPS, Question, Scope, Trigger, build_question
from lacuna.lsp_server.infill.suggestion import Reason, Rejected

REST, STATEMENT, BLOCK, ARGUMENTS = Scope.REST_OF_LINE, Scope.STATEMENT, Scope.BLOCK, Scope.ARGUMENTS


def asked(marked: str, language: str = "python", trigger: Trigger = Trigger.INVOKED) -> Question:
    question = context_at(marked, language, trigger)
    assert isinstance(question, Question), question
    return question


def check_scope(marked: str, language: str, scope: Scope) -> None:
    """The same with a tree, without one, and with one that is out of date."""
    snapshot = snapshot_at(marked, language)
    stale = snapshot.parsed._replace(is_fresh=False)
    for seen in (snapshot, replace(snapshot, parsed=NO_TREE), replace(snapshot, parsed=stale)):
        question = build_question(seen, Trigger.AUTOMATIC, Exclusion())
        assert isinstance(question, Question), question
        assert question.scope is scope


@pytest.mark.parametrize(
    ("marked", "scope"),
    [
        ("x = |\n", REST),
        ("x = | + 1\n", REST),
        ("import os\n|\n", STATEMENT),
        ("def f():\n    return 1\n\n|\n\ndef g():\n    pass\n", STATEMENT),
        ("def f():|\n", BLOCK),
        ("def f():\n    |\n", BLOCK),
        ("def f():\n    a = 1\n|\n    return a\n", BLOCK),
        ("def f():\n    a = 1\n    |\n", BLOCK),
        ("if x:  |\n", BLOCK),
        ("d = {1:|\n}\n", REST),
        ("f = lambda x:|\n", REST),
        ("x:|\n", REST),
        ("def f(\n    a,\n):|\n", BLOCK),
        ("print(|)\n", ARGUMENTS),
        ("print(|\n", ARGUMENTS),
        ("print(a, |)\n", ARGUMENTS),
        ("def f(|):\n    pass\n", ARGUMENTS),
        ("foo(\n    a,\n    |\n)\n", ARGUMENTS),
        ("x = (|)\n", REST),
        ("return (|)\n", REST),
        ("if (|):\n    pass\n", REST),
        ("foo([|])\n", REST),
        ("x = [\n    |\n]\n", BLOCK),
        ("print('(|')\n", REST),
        ("# foo(|\n", REST),
        ("foo(')', |)\n", ARGUMENTS),
        ('def f():\n    """Says.\n\n    |\n    """\n', STATEMENT),
    ],
)
def test_scope_in_python(marked: str, scope: Scope) -> None:
    check_scope(marked, "python", scope)


@pytest.mark.parametrize(
    ("marked", "scope"),
    [
        ("int f() {|\n}\n", BLOCK),
        ("int f() {\n    |\n}\n", BLOCK),
        ("int f() {\n|\n}\n", BLOCK),
        ("int x;\n|\n", STATEMENT),
        ("int f() {\n    g(|);\n}\n", ARGUMENTS),
        ("int f() {\n    if (|) {\n    }\n}\n", REST),
        ("int f() {\n    while (x(|)) {\n    }\n}\n", ARGUMENTS),
        ("int f() {\n    x = |;\n}\n", REST),
        ("int f() {\n    /* g(| */\n}\n", REST),
        ("int f() {\n    switch (a) {\n    case 1:|\n    }\n}\n", BLOCK),
    ],
)
@pytest.mark.parametrize("language", ["c", "cpp", "java", "javascript", "typescript", "tsx", "go", "rust"])
def test_scope_in_languages_with_braces(marked: str, scope: Scope, language: str) -> None:
    check_scope(marked, language, scope)


@pytest.mark.parametrize(
    ("marked", "language", "scope"),
    [
        ("const f = (a) => {|\n};\n", "javascript", BLOCK),
        ("items.map((x) => {\n  |\n});\n", "tsx", BLOCK),
        ("const s = `a(|`;\n", "typescript", REST),
        ("const r = /[(]/.test(|);\n", "javascript", ARGUMENTS),
        ("println!(|)\n", "rust", ARGUMENTS),
        ("fn f<'a>(|) {}\n", "rust", ARGUMENTS),
        ("let c = '('; g(|)\n", "rust", ARGUMENTS),
        ("func f(|) {}\n", "go", ARGUMENTS),
        ("std::vector<int> v(|);\n", "cpp", ARGUMENTS),
        ("foo<T>(|)\n", "typescript", ARGUMENTS),
        ("items.each do|\nend\n", "ruby", BLOCK),
        ("def f(a)|\nend\n", "ruby", BLOCK),
        ("if x then|\nend\n", "lua", BLOCK),
        ("if true; then|\nfi\n", "bash", BLOCK),
        ("It's a (|\n", "", REST),
        ("A list:\n\n|\n", "", STATEMENT),
        ("A list:\n\n|\n", "markdown", STATEMENT),
    ],
)
def test_scope_in_other_languages(marked: str, language: str, scope: Scope) -> None:
    check_scope(marked, language, scope)


@pytest.mark.parametrize(
    ("marked", "language", "reason"),
    [
        ("pri|nt\n", "python", Reason.IN_WORD),
        ("return |x\n", "python", Reason.IN_WORD),
        ("|größe = 1\n", "python", Reason.IN_WORD),
        ("x = |\0\n", "python", Reason.BINARY),
        ("|", "python", Reason.BLANK_DOCUMENT),
        ("\n\n  |\n", "python", Reason.BLANK_DOCUMENT),
        ("int x = 1;|\n", "c", Reason.STATEMENT_FINISHED),
        ("int f() {\n  return 1; |\n}\n", "java", Reason.STATEMENT_FINISHED),
        ("x = '" + "a" * 3000 + "|'\n", "python", Reason.LINE_TOO_LONG),
    ],
)
def test_nothing_is_asked(marked: str, language: str, reason: Reason) -> None:
    assert context_at(marked, language, Trigger.AUTOMATIC) == Rejected(reason)


@pytest.mark.parametrize(
    ("marked", "language"),
    [
        ("for (int i = 0;|\n", "c"),
        ("// so it is;|\n", "c"),
        ("a;|\n", "python"),
        ("first;|\n", ""),
        ("x = f(|, 2)\n", "python"),
        ("x = |\n", "python"),
        ("x = s.|\n", "python"),
        ("x = 1; | // why\n", "c"),
    ],
)
def test_something_is_asked(marked: str, language: str) -> None:
    assert isinstance(context_at(marked, language, Trigger.AUTOMATIC), Question)


def test_who_asks_on_purpose_is_answered_more_often() -> None:
    assert context_at("pri|nt", trigger=Trigger.INVOKED) == Rejected(Reason.IN_WORD)
    for marked in ("return |x\n", "|", "int x = 1;|\n"):
        assert isinstance(context_at(marked, "c", Trigger.INVOKED), Question)


def test_excluded_files_are_left_alone() -> None:
    assert context_at("A=|\n", uri="file:///home/ann/.env") == Rejected(Reason.EXCLUDED)


@pytest.mark.parametrize(
    ("marked", "trigger", "lines", "tokens"),
    [
        ("x = |\n", Trigger.AUTOMATIC, 1, 15),
        ("def f():|\n", Trigger.AUTOMATIC, 1, 15),
        ("x = |\n", Trigger.INVOKED, 1, 31),
        ("f(|)\n", Trigger.INVOKED, 1, 31),
        ("f(\n    |\n)\n", Trigger.INVOKED, 8, 60),
        ("def f():|\n", Trigger.INVOKED, 8, 60),
        ("import os\n|\n", Trigger.INVOKED, 8, 60),
    ],
)
def test_limits(marked: str, trigger: Trigger, lines: int, tokens: int) -> None:
    question = asked(marked, trigger=trigger)
    assert (question.max_lines, question.gap.max_tokens) == (lines, tokens)


@pytest.mark.parametrize(
    ("marked", "language", "unit", "indentation"),
    [
        ("def f():\n    a\n    |\n", "python", "    ", "    "),
        ("def f():\n  a\n  |\n", "python", "  ", "  "),
        ("def f():\n\ta\n\tif a:\n\t\t|\n", "python", "\t", "\t\t"),
        ("def f():|\n", "python", "    ", "    "),
        ("class A:\n  def f():|\n", "python", "  ", "    "),
        ("func f() {|\n}\n", "go", "\t", "\t"),
        ("function f() {|\n}\n", "javascript", "  ", "  "),
        ("x = foo(a,\n        b)\n|\n", "python", "    ", ""),
        ("    x = foo(\n        a,\n    )\n    |\n", "python", "    ", "    "),
        ("x = foo(\n|\n)\n", "python", "    ", "    "),
        ("int f() {\n    if (x) {\n        a();\n    }\n    |\n}\n", "c", "    ", "    "),
    ],
)
def test_indentation(marked: str, language: str, unit: str, indentation: str) -> None:
    question = asked(marked, language)
    assert (question.indent_unit, question.indentation) == (unit, indentation)


def test_behind_an_opener_the_first_line_end_is_not_the_last() -> None:
    assert asked("def f():|\n", trigger=Trigger.AUTOMATIC).gap.max_lines == 2
    assert asked("def f():\n    |\n", trigger=Trigger.AUTOMATIC).gap.max_lines == 1


def test_line_ends_are_plain_for_the_engine() -> None:
    question = asked("a = 1\r\nb = |\r\nc = 2\r\n")
    assert (question.gap.prefix, question.gap.suffix, question.newline) == ("a = 1\nb = ", "\nc = 2\n", "\r\n")


def test_columns_count_characters() -> None:
    question = asked('s = "😀é" + |\n')
    assert (question.line_prefix, question.line_suffix) == ('s = "😀é" + ', "")


LONG = "".join(f"value_{number} = compute({number})\n" for number in range(2000))


def test_windows_are_bounded_and_begin_at_a_line() -> None:
    for extent in (NEAR, Extent(16_000, 3_000)):
        question = build_question(snapshot_at(LONG + "x = |\n" + LONG), Trigger.INVOKED, Exclusion(), extent)
        assert isinstance(question, Question), question
        assert extent.prefix - extent.prefix // JUMPS - 100 < len(question.gap.prefix) <= extent.prefix
        assert ("\n" + LONG).endswith("\n" + question.gap.prefix.removesuffix("x = "))
        assert len(question.gap.suffix) == extent.suffix


def test_the_window_stands_still_while_one_types() -> None:
    typed = "".join(f"y{number} = {number}\n" for number in range(90))
    starts = {asked(LONG + typed[:length] + "|").gap.prefix[:40] for length in range(0, len(typed), 7)}
    assert len(starts) <= len(typed) // (NEAR.prefix // JUMPS) + 2


def test_a_window_does_not_begin_inside_a_string() -> None:
    docstring = '"""Title.\n\n' + "It's (one of many) lines\n" * 60 + '"""\n'
    for filling in range(0, 3000, 150):
        question = asked(LONG[:9000] + "\n" + docstring + LONG[:filling] + "\nprint(|)\n")
        assert question.scope is ARGUMENTS
        assert "many" not in question.gap.prefix or '"""Title' in question.gap.prefix


def test_a_notebook_reads_as_one_text() -> None:
    store = DocumentStore("utf-32")
    store.open_notebook("file:///n.ipynb", ["cell:1", "cell:2", "cell:3"])
    store.open("cell:1", "python", 1, "import os")
    store.open("cell:2", "markdown", 1, "# Words")
    store.open("cell:3", "python", 1, "os.")
    question = build_question(store.snapshot("cell:3", Position(0, 3)), Trigger.AUTOMATIC, Exclusion())
    assert isinstance(question, Question)
    assert question.gap.prefix == "import os\n\nos."
