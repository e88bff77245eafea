"""From a fill to a suggestion: tables of (marked text, fill, what is suggested), and properties of any fill at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marked_text import context_at, snapshot_at

from lacuna.engine.api import Features, Infill
from lacuna.engine.text.syntax import error_count, parse
from lacuna.lsp_server.infill.postprocess import could_stand, longest_confident_prefix, postprocess
from lacuna.lsp_server.infill.question import Question, Scope, Trigger
from lacuna.lsp_server.infill.repetition import has_word, loops
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion
from lacuna.lsp_server.lexing.bracket_scan import scan

BRACES = ("javascript", "typescript", "tsx", "go", "rust", "c", "cpp", "java")


def result(
    marked: str, fill: str, language: str = "python", trigger: Trigger = Trigger.INVOKED
) -> Suggestion | Rejected:
    question = context_at(marked, language, trigger)
    assert isinstance(question, Question), question
    return postprocess(question, snapshot_at(marked, language), fill)


def check(marked: str, fill: str, expected: str | Reason, language: str = "python") -> None:
    """`expected` is the suggested text, or the reason for none."""
    found = result(marked, fill, language)
    if isinstance(expected, Reason):
        assert found == Rejected(expected)
    else:
        assert found == Suggestion(expected)


@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("x = |\n", "1", "1"),
        ("x = |\n", "1\ny = 2", "1"),
        ("x = |\n", " 1  ", "1"),
        ("x =|\n", " 1", " 1"),
        ("x = |\n", "\n1", Reason.EMPTY),
        ("x = |\n", "  \n ", Reason.EMPTY),
        ("x = |\n", "", Reason.EMPTY),
        ("def f|:\n    pass\n", "(a, b)", "(a, b)"),
        ("if x |:\n    pass\n", "> 0", "> 0"),
        ("x = 1  # this |\n", "is why\ny = 2", "is why"),
        ('s = "Hello, |"\n', "world", "world"),
        ("a rest of |\n", "line.\nAnd more.", "line."),
    ],
)
def test_rest_of_line(marked: str, fill: str, expected: str | Reason) -> None:
    check(marked, fill, expected)


@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("print(|)\n", "a, b", "a, b"),
        ("print(|)\n", "a, b)", "a, b"),
        ("print(|)\n", "a, b)\nprint(c)", "a, b"),
        ("print(|)\n", "a, f(b))", "a, f(b)"),
        ("print(|)\n", "a, [b, (c)])", "a, [b, (c)]"),
        ("print(|\n", "a)", "a)"),
        ("print(|\n", "a)\nprint(b)", "a)"),
        ("print(f(|))\n", "a))", "a"),
        ("print(f(|)\n", "a))", "a)"),
        ("def f(|):\n    pass\n", "a, b):\n    return", "a, b"),
        ("f(\n    |\n)\n", "a,\n    b,\n)\ng()", "a,\n    b,"),
        ("f(\n    |\n", "a,\n    b,\n)\ng()", "a,\n    b,\n)"),
        ('print("|")\n', 'x")', "x"),
        ("print(a, |, c)\n", "b, c)", "b"),
    ],
)
def test_arguments(marked: str, fill: str, expected: str) -> None:
    check(marked, fill, expected)


@pytest.mark.parametrize("language", BRACES)
@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("f(|);\n", "a, b", "a, b"),
        ("f(|);\n", "a, b);", "a, b"),
        ("f(|);\n", "a, g(b));\n}", "a, g(b)"),
        ("f(|\n", "a);", "a);"),
        ("f(a, |);\n", "g(b[0]), c", "g(b[0]), c"),
    ],
)
def test_arguments_in_languages_with_braces(marked: str, fill: str, expected: str, language: str) -> None:
    head, tail = ("void h() {\n    ", "}\n") if language in ("c", "cpp", "java") else HEADS[language]
    check(head + marked + tail, fill, expected, language)


HEADS = {
    "javascript": ("function h() {\n    ", "}\n"),
    "typescript": ("function h() {\n    ", "}\n"),
    "tsx": ("function h() {\n    ", "}\n"),
    "go": ("func h() {\n    ", "}\n"),
    "rust": ("fn h() {\n    ", "}\n"),
}


@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("def f():|\n", "\n    return 1\n", "\n    return 1"),
        ("def f():|\n", "\n    return 1\n\ndef g():\n    pass", "\n    return 1"),
        ("def f():|\n", "\n    a = 1\n    return a\nf()", "\n    a = 1\n    return a"),
        ("def f():|\n", "\nreturn 1", Reason.EMPTY),
        ("def f():|\n", " return 1", " return 1"),
        ("def f():\n    |\n", "a = 1\n    return a\nf()", "a = 1\n    return a"),
        ("def f():\n    |\n", "\n    return 1", "return 1"),
        ("def f():\n    |\n", "    return 1", "return 1"),
        ("def f():\n|\n    return a\n", "    a = 1", "    a = 1"),
        ("def f():\n|\n    return a\n", "a = 1", "    a = 1"),
        ("def f():\n    if x:\n        |\n", "a = 1\n    return a\n", "a = 1"),
        ("def f():\n    if x:\n        |\n", "a = 1\n\n        b = 2\n", "a = 1\n\n        b = 2"),
        ("class A:\n\tdef f(self):|\n", "\n        return 1", "\n\t\treturn 1"),
        ("class A:\n\tdef f(self):\n\t\t|\n", "if a:\n            return 1", "if a:\n\t\t\treturn 1"),
        ("class A:\n  def f(self):|\n", "\n        return 1", "\n    return 1"),
        ("class A:\n  def f(self):|\n", "\n\t\treturn 1", "\n    return 1"),
    ],
)
def test_block(marked: str, fill: str, expected: str | Reason) -> None:
    check(marked, fill, expected)


@pytest.mark.parametrize(
    ("marked", "fill", "expected", "language"),
    [
        ("int f() {|\n}\n", "\n    return 1;\n}", "\n    return 1;", "c"),
        ("int f() {|\n", "\n    return 1;\n}\n\nint g() {", "\n    return 1;\n}", "c"),
        ("int f() {\n    |\n}\n", "int a = 1;\n    return a;\n}", "int a = 1;\n    return a;", "cpp"),
        ("class A {\n    int f() {\n        |\n    }\n}\n", "if (a) {\n            b();\n        }", None, "java"),
        ("func f() {\n\t|\n}\n", "if a {\n        b()\n    }", "if a {\n\t\tb()\n\t}", "go"),
        ("fn f() {|\n}\n", "\n    let a = 1;\n    a\n}", "\n    let a = 1;\n    a", "rust"),
        ("const f = () => {\n  |\n};\n", "return 1;\n};", "return 1;", "javascript"),
        ("items.map((x) => {\n  |\n});\n", "return <p>{x}</p>;\n});", "return <p>{x}</p>;", "tsx"),
        ("interface A {\n  |\n}\n", "b: number;\n  c: string;\n}", "b: number;\n  c: string;", "typescript"),
        ("if x then|\nend\n", "\n  print(x)\nend", "\n  print(x)", "lua"),
    ],
)
def test_block_in_other_languages(marked: str, fill: str, expected: str | None, language: str) -> None:
    check(marked, fill, fill if expected is None else expected, language)


@pytest.mark.parametrize(
    ("marked", "fill", "expected", "language"),
    [
        ("|\n", "import os\nimport sys", "import os", "python"),
        ("import os\n|\n", "def f():\n    return 1\n\ndef g():\n    pass", "def f():\n    return 1", "python"),
        ("import os\n|\n", "@cache\ndef f():\n    return 1\nx = 1", "@cache\ndef f():\n    return 1", "python"),
        ("import os\n|\n", "x = foo(\n    1,\n)\ny = 2", "x = foo(\n    1,\n)", "python"),
        ("import os\n|\n", "if a:\n    b\nelse:\n    c\nd", "if a:\n    b\nelse:\n    c", "python"),
        ("|\n", "int f() {\n    return 1;\n}\nint g() {\n}", "int f() {\n    return 1;\n}", "c"),
        ("A first line.\n\n|\n", "A second.\nIts other line.\n\nA third.", "A second.\nIts other line.", ""),
    ],
)
def test_statement(marked: str, fill: str, expected: str, language: str) -> None:
    check(marked, fill, expected, language)


def test_unasked_a_suggestion_is_one_line() -> None:
    found = result("def f():|\n", "\n    a = 1\n    return a", trigger=Trigger.AUTOMATIC)
    assert found == Suggestion("\n    a = 1")
    assert result("x = 1\n|\n", "def f():\n    return a", trigger=Trigger.AUTOMATIC) == Suggestion("def f():")


@pytest.mark.parametrize(
    ("marked", "fill", "expected", "language"),
    [
        ("x = |b + c\n", "a + b", "a + ", "python"),
        ("x = |foo(1)\n", "bar.foo(1)", "bar.", "python"),
        ("x = |foo(1)\n", "foo(1)", Reason.REPEATS_SUFFIX, "python"),
        ("x = |foo(1)\n", "bar", Reason.RUNS_TOGETHER, "python"),
        ("f(a, | c)\n", "b, c", "b,", "python"),
        ("if |:\n    pass\n", "a:", "a", "python"),
        ("def f():\n    |\n    return x\n", "x = 1\n    return x", "x = 1", "python"),
        ("def f():\n    |\n\n    return x\n", "x = 1\n    return x", "x = 1", "python"),
        ("def f():\n    |\n\n    return x + y\n", "x = 1\n    return x", "x = 1", "python"),
        ("def f():\n    |\n    return x\n", "return x", Reason.REPEATS_SUFFIX, "python"),
        ("x = |\nx = 1\n", "1", Reason.REPEATS_SUFFIX, "python"),
        ("int f() {\n    |\n}\n", "return 1;\n}", "return 1;", "c"),
        ("int f() {\n    g(|);\n}\n", "1);\n}", "1", "c"),
        ("namespace a {\n|\n}\n", "void f() {\n    g();\n}", None, "cpp"),
    ],
)
def test_what_follows_is_not_said_twice(marked: str, fill: str, expected: str | Reason | None, language: str) -> None:
    found = result(marked, fill, language)
    if isinstance(expected, Reason):
        assert found == Rejected(expected)
    elif expected is not None:
        assert found == Suggestion(expected)
    else:
        assert isinstance(found, Suggestion)
        assert found.text.strip().count("}") == 1


@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("import os\nimport |\n", "os", Reason.REPEATS_LINE_ABOVE),
        ("def f():\n    a.b(c)\n    |\n", "a.b(c)", Reason.REPEATS_LINE_ABOVE),
        ("def f():\n    a.b(c)\n    |\n", "d()\n    d()\n    d()", "d()"),
        ("x = [\n    0, 0,\n    |\n]\n", "0, 0,", "0, 0,"),
        ("x = [\n    0, 0,\n    0, 0,\n    |\n]\n", "0, 0,", Reason.REPEATS_LINE_ABOVE),
        ("x = |\n", "a + a + a + a + a", Reason.LOOPS),
        ("x = |\n", "the the the the", Reason.LOOPS),
        ("x = |\n", "[0, 0, 0, 0, 0]", "[0, 0, 0, 0, 0]"),
        ("# |\n", "-" * 40, "-" * 40),
    ],
)
def test_repetition(marked: str, fill: str, expected: str | Reason) -> None:
    check(marked, fill, expected)


def test_a_loop_is_a_loop_only_at_the_end() -> None:
    assert loops("f(a, a, a, a, a")
    assert not loops("f(a, a, a, a, a).then(b)")


@pytest.mark.parametrize(
    ("marked", "fill", "expected", "language"),
    [
        ('d["|"]\n', 'key"] = value', Suggestion('key"] = value', 2), "python"),
        ("x = [|]\n", "1, 2];", Suggestion("1, 2];", 1), "javascript"),
        ("if (|)\n", "a) {", Suggestion("a) {", 1), "javascript"),
        ("if (|) {\n}\n", "a) {", Suggestion("a"), "javascript"),
        ("x = [|]\n", "1, 2]", Suggestion("1, 2"), "python"),
        ("x = [|]\n", "f(a)[0]", Suggestion("f(a)[0]"), "python"),
        ("x = (|)\n", "a) + (b", Suggestion("a) + (b"), "python"),
        ("f(g(|))\n", "a), h(b", Suggestion("a"), "python"),
        ("int x = f(((in|);\n", "t) o).name);", Suggestion("t) o).name"), "java"),
        ("a.b(|)\n", ")", Rejected(Reason.EMPTY), "python"),
        ("a.b(c(|)\n", ")", Suggestion(")"), "python"),
        ('a.b("x|)\n', '", c(3)', Suggestion('", c(3)'), "python"),
        ("foo(() => {\n  a();\n|\nbar(() => {\n  b();\n});\n", "});", Suggestion("});"), "javascript"),
        ("class A {\n  f() {\n    a();\n  |\n\n  g() {\n  }\n}\n", "}", Suggestion("}"), "javascript"),
        ('x = "|"\n', 'a" + "b', Suggestion('a" + "b'), "python"),
        ('x = "|"\n', 'a"', Suggestion("a"), "python"),
        ('x = """|"""\n', 'a"""', Suggestion("a"), "python"),
        ("x = `|`;\n", "a ${b}`;", Suggestion("a ${b}"), "javascript"),
        ("x = |\n", "f(a))", Suggestion("f(a)"), "python"),
        ("x = |\n", "]", Rejected(Reason.UNBALANCED), "python"),
        ("x = f(|)\n", "g(a", Rejected(Reason.UNBALANCED), "python"),
        ("x = |\n", "f(a, [", Suggestion("f(a, ["), "python"),
        ("let s = 'don|';\n", "\\'t", Suggestion("\\'t"), "javascript"),
        ("fn f<'a>(x: |) {}\n", "&'a str)", Suggestion("&'a str"), "rust"),
        ("/* a |\nint f(int b); /* c */\n", "word */", Suggestion("word */"), "c"),
        ("char c = |;\n", "'('", Suggestion("'('"), "c"),
    ],
)
def test_brackets_and_quotes(marked: str, fill: str, expected: Suggestion | Rejected, language: str) -> None:
    assert result(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("marked", "fill", "expected", "language"),
    [
        ("x = |\n", "a b c", Reason.PARSE_WORSE, "python"),
        ("def f():\n    return |\n\ndef g():\n    pass\n", "if else", Reason.PARSE_WORSE, "python"),
        ("x = |\n", "a +", "a", "python"),
        ("x = |\n", "f(a), ", "f(a),", "python"),
        ("int f() {\n    return |;\n}\n", "int int", Reason.PARSE_WORSE, "c"),
        ("int f() {\n    |\n}\n", "if (a) {", "if (a) {", "c"),
        ("int f() {\n    |\n}\n", "x = 1;\n    y = = 2;", "x = 1;", "c"),
        ("func f() {\n\tx := |\n}\n", "g(1) h", Reason.PARSE_WORSE, "go"),
        ("fn f() {\n    let x = |;\n}\n", "let y", Reason.PARSE_WORSE, "rust"),
        ("class A {\n    int f() {\n        return |;\n    }\n}\n", "new new A()", Reason.PARSE_WORSE, "java"),
        ("class A {\n  f(): number {\n    return |;\n  }\n}\n", "this.g(1)", "this.g(1)", "typescript"),
        ("x = |\n", "a b c", "a b c", ""),
    ],
)
def test_syntax_does_not_get_worse(marked: str, fill: str, expected: str | Reason, language: str) -> None:
    check(marked, fill, expected, language)


def test_long_definitions_are_parsed_in_part() -> None:
    """The headers above and the closers below a long method are kept, so that it stays whole."""
    statements = "".join(f"        total += values[{number}];\n" for number in range(300))
    head, tail = "class A {\n    int sum(int[] values) {\n", "        return total;\n    }\n}\n"
    marked = f"{head}{statements}        |\n{statements}{tail}"
    fill = "if (total > 0) {\n            total = 0;\n        }"
    check(marked, fill, fill, "java")
    check(marked, "total = = 1;", Reason.PARSE_WORSE, "java")


def test_line_ends_of_the_document() -> None:
    assert result("def f():|\r\n", "\n    a = 1\n    b = 2") == Suggestion("\r\n    a = 1\r\n    b = 2")
    assert result("def f():|\n", "\r\n    a = 1\r\n    b = 2") == Suggestion("\n    a = 1\n    b = 2")


def confident(marked: str, pieces: list[tuple[str, float]], language: str = "python") -> str:
    question = context_at(marked, language)
    assert isinstance(question, Question)
    return longest_confident_prefix(pieces, -1.0, question)


@pytest.mark.parametrize(
    ("marked", "pieces", "expected"),
    [
        ("x = |\n", [("foo", -0.1), ("(a", -0.1), (")", -0.1)], "foo(a)"),
        ("x = |\n", [("foo", -0.1), ("(", -0.1), ("a", -3.0), (")", -0.1)], "foo("),
        ("x = |\n", [("foo", -0.1), ("_bar", -3.0), ("()", -0.1)], ""),
        ("x = |\n", [("foo", -0.1), ("_b", -0.1), ("ar", -3.0)], ""),
        ("x = |\n", [("a", -0.1), (" +", -0.1), (" foo", -0.1), ("bar", -3.0)], "a + "),
        ("x = |\n", [("f", -3.0), ("oo", -0.1)], ""),
        ("x = |\n", [('"some', -0.1), (" words", -0.1), (' more"', -3.0)], ""),
        ('x = "|"\n', [("some", -0.1), (" wor", -0.1), ("ds", -3.0)], "some"),
        ("# |\n", [("some", -0.1), (" wor", -0.1), ("ds", -3.0)], "some"),
        ("x = fo|\n", [("o", -0.1), ("bar", -3.0)], ""),
        ("x = |\n", [], ""),
    ],
)
def test_longest_confident_prefix(marked: str, pieces: list[tuple[str, float]], expected: str) -> None:
    assert confident(marked, pieces).rstrip() == expected.rstrip()


def test_confident_prefix_of_a_language_without_grammar() -> None:
    assert confident("It is |\n", [("very", -0.1), (" ni", -0.1), ("ce", -3.0)], "").rstrip() == "very"


PLACES = [
    ("python", "def f(a, b):\n    |\n    return a\n"),
    ("python", "def f(a, b):\n    x = |\n    return a\n"),
    ("python", "print(f(|), 1)\n\nx = {'a': [1]}\n"),
    ("python", "def f():|\n\nclass A:\n    pass\n"),
    ("python", 's = "|" + t\n'),
    ("javascript", "function f() {\n  g((x) => {|});\n}\nf(1);\n"),
    ("tsx", "const a = <p>{|}</p>;\nexport default a;\n"),
    ("c", "int f(void) {\n    if (|)\n    return 1;\n}\n"),
    ("go", "func f() {\n\t|\n}\n\nfunc g() {}\n"),
    ("rust", "fn f<'a>(x: &'a str) {\n    |\n}\n"),
    ("java", "class A {\n    void f() {\n        g(|);\n    }\n}\n"),
    ("", "It's a list (|) of words.\n\nAnd more.\n"),
]
FRAGMENTS = st.sampled_from(
    ["return a", "x = ", "f(", ")", "(", "[", "]", "{", "}", '"', "'", "`", "\n", "\n    ", "\n\t", " ", ", ", "a",
     "b.c", "if ", ":", ";", "=> ", "# ", "// ", "/*", "*/", '"""', "\r\n", "é😀", "\\", "    return a", "And more.",
     "f(1);", "class A:", "\u2028", "\f"]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    fill=st.one_of(st.lists(FRAGMENTS, max_size=10).map("".join), st.text(max_size=30)),
    trigger=st.sampled_from(Trigger),
)
def test_whatever_the_fill(place: tuple[str, str], fill: str, trigger: Trigger) -> None:
    """What is suggested never says the next line, never leaves more unmatched, and never parses worse."""
    language, marked = place
    question = context_at(marked, language, trigger)
    assert isinstance(question, Question)
    found = postprocess(question, snapshot_at(marked, language), fill)
    if isinstance(found, Rejected):
        return
    before, after = marked.split("|")
    assert found.text.strip()
    assert "\r" not in found.text
    whole = before + found.text + after[found.replaced :]
    line_end = after.index("\n")
    next_line = next((line for line in after[line_end:].split("\n") if line.strip()), "")
    lines = whole[: len(whole) - len(after) + line_end].split("\n")[before.count("\n") :]
    assert not has_word(next_line) or next_line.rstrip() not in [line.rstrip() for line in lines]
    old, new = scan(before + after, language), scan(whole, language)
    assert len(new.extra) <= len(old.extra)
    left_open = [read.lost + sum(one.mark not in ("//", "#") for one in read.stack) for read in (old, new)]
    assert left_open[1] <= left_open[0] or not after[found.replaced : line_end].strip()
    if language and left_open[1] <= left_open[0]:
        assert errors(language, whole) <= errors(language, before + after)
    if question.scope is Scope.REST_OF_LINE or question.scope is Scope.ARGUMENTS:
        assert "\n" not in found.text


def errors(language: str, text: str) -> int:
    tree = parse(language, text)
    return error_count(tree, 0, tree.root_node.end_byte)


KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("marked", "fill"),
    [
        ("AWS_SECRET_ACCESS_KEY = |\n", f'"{KEY}"'),
        ("AWS_SECRET_ACCESS_KEY = |\n", f'"{KEY[:20]}'),
        (f'AWS_SECRET_ACCESS_KEY = "{KEY}"\nother = |\n', f'"{KEY}"'),
        ("token = |\n", '"ghp_' + "a1B2" * 9 + '"'),
        ("database = |\n", '"postgres://ann:hunter2@db/shop"'),
    ],
)
def test_no_suggestion_holds_a_secret(marked: str, fill: str) -> None:
    check(marked, fill, Reason.SECRET)
    question = context_at(marked, "python", Trigger.AUTOMATIC)
    assert isinstance(question, Question), question
    pieces = tuple((piece, -0.001) for piece in (fill[:8], fill[8:12], fill[12:]))
    found = select(question, snapshot_at(marked), [infill_of(pieces)], 0.4)
    assert found is Reason.SECRET


def infill_of(pieces: tuple[tuple[str, float], ...]) -> Infill:
    features = Features(-0.1, -0.2, -5.0, -20.0, len(pieces), True)
    return Infill("".join(text for text, _ in pieces), 0.9, 1, 1, features, pieces)


@pytest.mark.parametrize(
    ("marked", "fill", "expected"),
    [
        ("x = |\n", "f(1)", True),
        ("x = |\n", "f(1))", True),  # the bracket too many is left out
        ("x = |\n", "1 2", False),
        ("x = |\n", "", True),  # it says nothing, and breaks nothing
        ("for x in y|\n    pass\n", ":", True),
    ],
)
def test_what_breaks_the_syntax_could_not_stand(marked: str, fill: str, expected: bool) -> None:
    question = context_at(marked, "python", Trigger.INVOKED)
    assert isinstance(question, Question)
    assert could_stand(question, snapshot_at(marked, "python"), fill) == expected
