"""The table of languages and questions about trees, each on text with the cursor at `|`."""

from __future__ import annotations

import itertools
import sys

import pytest

from lacuna.engine.text.languages import LANGUAGES, Kind, language_of
from lacuna.engine.text.syntax import (
    MissingGrammar,
    SlicedParse,
    enclosing,
    error_count,
    get_parser,
    grammar,
    parse,
    token_boundaries,
)

# One text per language, the cursor in the string, and the kinds that are around it.
SAMPLES = {
    "python": ("def f(a):\n    x = foo(1, 'ab|c')  # note\n    return x\n", "SBFA"),
    "javascript": ("function f(a) {\n  const x = foo(1, 'ab|c'); // note\n  return x;\n}\n", "SBFA"),
    "typescript": ("class A { f(a: number): string {\n  return foo(1, 'ab|c'); // note\n} }\n", "SBFA"),
    "tsx": ("const f = (p: {a: string}) => {\n  return <p>{g('ab|c')}</p>; // note\n}\n", "SBFA"),
    "go": ('package main\n\nfunc f(a int) int {\n\tx := foo(1, "ab|c") // note\n\treturn x\n}\n', "SBFA"),
    "rust": ('fn f(a: u32) -> u32 {\n    let x = foo(1, "ab|c"); // note\n    x\n}\n', "SBFA"),
    "c": ('int f(int a) {\n  int x = foo(1, "ab|c"); // note\n  return x;\n}\n', "SBFA"),
    "cpp": ('namespace n {\nint A::f(int a) {\n  auto x = foo(1, "ab|c"); // note\n  return x;\n}\n}\n', "SBFA"),
    "java": ('class A {\n  int f(int a) {\n    int x = foo(1, "ab|c"); // note\n    return x;\n  }\n}\n', "SBFA"),
    "csharp": ('class A {\n  int F(int a) {\n    var x = Foo(1, "ab|c"); // note\n    return x;\n  }\n}\n', "SBFA"),
    "ruby": ('class A\n  def f(a)\n    x = foo(1, "ab|c") # note\n    x\n  end\nend\n', "SBFA"),
    "php": ("<?php\nfunction f($a) {\n  $x = foo(1, 'ab|c'); // note\n  return $x;\n}\n", "SBFA"),
    "bash": ('f() {\n  for y in a b; do\n    echo "ab|c" # note\n  done\n}\n', "SBF"),
    "html": ('<!-- note -->\n<div><p class="ab|c">text</p></div>\n', "SBA"),
    "css": ('/* note */\n.a { color: red; background: url("ab|c"); }\n', "SBA"),
    "json": ('{"a": [1, "ab|c"], "b": {"c": null}}\n', "SB"),
    "lua": ('local function f(a)\n  local x = foo(1, "ab|c") -- note\n  return x\nend\n', "SBFA"),
    "kotlin": ('fun f(a: Int): Int {\n  val x = foo(1, "ab|c") // note\n  return x\n}\n', "SBFA"),
    "swift": ('func f(a: Int) -> Int {\n  let x = foo(1, "ab|c") // note\n  return x\n}\n', "SBFA"),
    "scala": ('object A {\n  def f(a: Int): Int = {\n    val x = foo(1, "ab|c") // note\n    x\n  }\n}\n', "SBFA"),
    "zig": ('fn f(a: u32) u32 {\n    const x = foo(1, "ab|c"); // note\n    return x;\n}\n', "SBF"),
    "yaml": ('a:\n  - b: 1\n  - "ab|c" # note\nc: {d: e}\n', "SB"),
    "toml": ('[a]\nb = "ab|c" # note\nc = [1, 2]\n', "SB"),
    "markdown": ("# Head\n\ntext\n\n- a|b\n- c\n", "SB"),
    "sql": ("-- note\nSELECT a, count(b) FROM t WHERE c = 'ab|c';\n", "S"),
    "haskell": ('module A where\n\nf :: Int -> Int\nf a = foo 1 "ab|c" -- note\n', "SBF"),
    "ocaml": ('let f = fun a ->\n  (* note *)\n  let x = foo 1 "ab|c" in\n  x\n', "SF"),
    "ocaml_interface": ("(* note *)\nval f : int -> i|nt\n", "S"),
    "julia": ('function f(a)\n    x = foo(1, "ab|c") # note\n    return x\nend\n', "SBFA"),
    "elixir": ('defmodule A do\n  def f(a) do\n    x = foo(1, "ab|c") # note\n    x\n  end\nend\n', "SBA"),
}
LETTERS = {"S": Kind.STATEMENT, "B": Kind.BLOCK, "F": Kind.FUNCTION, "A": Kind.ARGUMENTS}


def cut(marked: str) -> tuple[str, int]:
    """The text without its mark, and the mark's byte offset."""
    before, after = marked.split("|")
    return before + after, len(before.encode())


def check_enclosing(language: str, kind: Kind, marked: str, expected: str | None) -> None:
    text, byte = cut(marked)
    node = enclosing(parse(language, text), byte, language, kind)
    assert (text.encode()[node.start_byte : node.end_byte].decode() if node else None) == expected


def test_every_language_has_a_sample() -> None:
    assert set(SAMPLES) == set(LANGUAGES)


@pytest.mark.parametrize("language", SAMPLES)
def test_each_grammar_parses_its_sample_and_finds_the_kinds_around_the_cursor(language: str) -> None:
    marked, letters = SAMPLES[language]
    text, byte = cut(marked)
    tree = parse(language, text)
    assert error_count(tree, 0, len(text.encode())) == 0
    for letter, kind in LETTERS.items():
        node = enclosing(tree, byte, language, kind)
        assert (node is not None) == (letter in letters), (kind, node)


def test_names_are_found_by_language_id_then_by_file_name() -> None:
    assert language_of("typescriptreact") == "tsx"
    assert language_of("javascriptreact") == "javascript"
    assert language_of("shellscript") == "bash"
    assert language_of("cs") == "csharp"
    assert language_of("Python") == "python"
    assert language_of("yaml.docker-compose", "file:///a/b.txt") == "yaml"
    assert language_of("cpp", "file:///a/b.h") == "cpp"
    assert language_of("", "file:///a/B.TSX") == "tsx"
    assert language_of("plaintext", "C:\\a\\b.rs") == "rust"
    assert language_of("", "untitled:Untitled-1") == ""
    assert language_of("cobol", "file:///a.py/x.cbl") == ""


def test_no_id_or_extension_belongs_to_two_languages() -> None:
    for names in ([(*row.ids, row.name) for row in LANGUAGES.values()], [row.extensions for row in LANGUAGES.values()]):
        every = [name for group in names for name in group]
        assert len(every) == len(set(every))
        assert all(name == name.lower() for name in every)


def test_a_language_without_a_grammar_says_why() -> None:
    missing = grammar("cobol")
    assert isinstance(missing, MissingGrammar)
    assert "cobol" in missing.reason
    with pytest.raises(LookupError, match="cobol"):
        get_parser("cobol")


def test_a_grammar_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_lua", None)  # what an import finds where there is no such package
    grammar.cache_clear()
    missing = grammar("lua")
    grammar.cache_clear()
    assert isinstance(missing, MissingGrammar)
    assert "pip install tree-sitter-lua" in missing.reason


PYTHON_STATEMENTS = [
    ("x = foo(|)\ny = 2\n", "x = foo()"),
    ("if a:\n    b = |1\n", "b = 1"),
    ("if a|:\n    b = 1\n", "if a:\n    b = 1"),
    ("|import os\n", "import os"),
    ("return x|\n", "return x"),
    ("@d\ndef f(|): pass\n", "def f(): pass"),
    ("x = 1\n\n|\n\ny = 2\n", None),
]


@pytest.mark.parametrize(("marked", "expected"), PYTHON_STATEMENTS)
def test_statement_around_the_cursor_in_python(marked: str, expected: str | None) -> None:
    check_enclosing("python", Kind.STATEMENT, marked, expected)


@pytest.mark.parametrize(("language", "marked", "expected"), [
    ("javascript", "class A { m() { a(); |b(); } }", "b();"),
    ("javascript", "const f = () => { retur|n 1 };", "return 1"),
    ("typescript", "interface A { a: str|ing; b: number }", "a: string"),
    ("go", "package p\nfunc f() {\n\ta()\n\tx, e|rr := b()\n}\n", "x, err := b()"),
    ("rust", "fn f() { match x { 1 => a(|), _ => b() } }", "1 => a(),"),
    ("rust", "fn f() -> u8 { a.b(|) }", "a.b()"),
    ("rust", "enum E { A, B|C }", "BC"),
    ("c", "int f(int a|) { return 1; }", "int f(int a) { return 1; }"),
    ("cpp", "void f() { for (auto x : |y) g(x); }", "for (auto x : y) g(x);"),
    ("java", "class A { int f() { return g|(1); } }", "return g(1);"),
    ("ruby", "def f\n  puts |x if y\nend\n", "puts x if y"),
    ("bash", "if true; then\n  echo |a\nfi\n", "echo a"),
])  # fmt: skip
def test_statement_around_the_cursor(language: str, marked: str, expected: str | None) -> None:
    check_enclosing(language, Kind.STATEMENT, marked, expected)


@pytest.mark.parametrize(("language", "marked", "expected"), [
    ("python", "def f():\n    a\n    |b\nc\n", "a\n    b"),
    ("python", "def f():\n    a\nc|\n", None),
    ("javascript", "if (a) {\n  |\n}\n", "{\n  \n}"),
    ("javascript", "if (a) |{\n}\n", None),
    ("javascript", "if (a) {\n}|\n", None),
    ("javascript", "class A {\n  |\n}\n", "{\n  \n}"),
    ("go", "package p\nfunc f() {\n\ta()\n\t|\n}\n", "{\n\ta()\n\t\n}"),
    ("rust", "impl A {\n    |\n}\n", "{\n    \n}"),
    ("c", "struct s { int a;| };", "{ int a; }"),
    ("cpp", "void f() { auto g = [&](int a) { |}; }", "{ }"),
    ("java", "class A { void f() { switch (a) { | } } }", "{  }"),
])  # fmt: skip
def test_block_around_the_cursor(language: str, marked: str, expected: str | None) -> None:
    check_enclosing(language, Kind.BLOCK, marked, expected)


@pytest.mark.parametrize(("language", "marked", "expected"), [
    ("python", "foo(1, bar(2|), 3)", "(2)"),
    ("python", "foo(1, bar(2)|, 3)", "(1, bar(2), 3)"),
    ("python", "foo|(1)", None),
    ("python", "foo(1)|", None),
    ("python", "def f(a, |b): pass", "(a, b)"),
    ("javascript", "foo(a, |)", "(a, )"),
    ("typescript", "function f(a: |number) {}", "(a: number)"),
    ("go", "package p\nvar x = f(1, |2)\n", "(1, 2)"),
    ("rust", "fn f(|a: u8) {}", "(a: u8)"),
    ("c", "int x = f(é|1);", "(é1)"),
    ("cpp", "auto x = g<int|>(1);", "<int>"),
    ("java", "class A { int x = f(1|); }", "(1)"),
])  # fmt: skip
def test_arguments_around_the_cursor(language: str, marked: str, expected: str | None) -> None:
    check_enclosing(language, Kind.ARGUMENTS, marked, expected)


@pytest.mark.parametrize(("language", "marked", "expected"), [
    ("python", "def f():\n    g = lambda x: x|\n", "lambda x: x"),
    ("javascript", "f(a => |a)", "a => a"),
    ("go", "package p\nvar f = func() { | }\n", "func() {  }"),
    ("rust", "mod m { fn f() { | } }", "fn f() {  }"),
    ("rust", "mod m { | }", None),
    ("java", "class A { A() { | } }", "A() {  }"),
])  # fmt: skip
def test_function_around_the_cursor(language: str, marked: str, expected: str | None) -> None:
    check_enclosing(language, Kind.FUNCTION, marked, expected)


def test_errors_are_counted_where_they_touch_the_range() -> None:
    text = "f(a)\n" * 50 + "x = = 1\n" + "f(b)\n" * 50 + "g(((\n"
    tree, wrong = parse("python", text), text.index("= =")
    assert error_count(tree, 0, wrong - 10) == 0
    assert error_count(tree, wrong, wrong + 3) == 1
    assert error_count(tree, wrong + 10, text.index("g(((") - 5) == 0
    assert error_count(tree, 0, len(text)) >= 2


def test_missing_nodes_are_errors() -> None:
    tree = parse("c", "int f() { return 1 }")
    assert error_count(tree, 0, 20) == 1
    assert error_count(parse("c", "int f() { return 1; }"), 0, 21) == 0


@pytest.mark.parametrize(("language", "text", "expected"), [
    ("python", "foo(a_b, 12)", ["foo", "(", "a_b", ",", " ", "12", ")"]),
    ("python", "x = 'a b'", ["x", " ", "=", " ", "'a b'"]),
    ("python", "é = '😀' # a b", ["é", " ", "=", " ", "'😀'", " ", "#", " a", " b"]),
    ("javascript", "a => `${b} c`", ["a", " ", "=>", " ", "`${b} c`"]),
    ("rust", "a::b()?;", ["a", "::", "b", "(", ")", "?", ";"]),
    ("cobol", "ADD x-1.", ["ADD", " ", "x", "-", "1", "."]),
    ("python", "", []),
])  # fmt: skip
def test_token_boundaries(language: str, text: str, expected: list[str]) -> None:
    edges = token_boundaries(language, text)
    assert [text[start:end] for start, end in itertools.pairwise(edges)] == expected


def test_a_parse_in_slices_is_the_parse() -> None:
    data = b"def f(a):\n    return [a, (1, 2)]\n\n" * 3000
    parsing, slices, tree = SlicedParse("python", lambda byte, _point: data[byte : byte + 4096]), 0, None
    while tree is None:
        slices, tree = slices + 1, parsing.run(1.0)
    assert slices > 1
    assert str(tree.root_node) == str(parse("python", data.decode()).root_node)


@pytest.mark.parametrize("text", ["(" * 50_000 + ")" * 50_000, "[" * 50_000, "{" * 50_000, ""])
def test_deep_and_empty_texts_are_answered(text: str) -> None:
    tree = parse("javascript", text)
    for kind in Kind:
        enclosing(tree, len(text) // 2, "javascript", kind)
    assert (error_count(tree, 0, len(text)) > 0) == tree.root_node.has_error
