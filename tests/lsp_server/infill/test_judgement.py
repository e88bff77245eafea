"""What a suggestion is judged by, kind by kind in every language that can have it: what is refused, and what is not."""

from __future__ import annotations

import math

import pytest
from marked_text import context_at, shown, snapshot_at

from lacuna.engine.api import Features, Infill
from lacuna.lsp_server.infill.postprocess import postprocess
from lacuna.lsp_server.infill.question import Question, Trigger
from lacuna.lsp_server.infill.repetition import loops
from lacuna.lsp_server.infill.selection import select
from lacuna.lsp_server.infill.suggestion import Reason, Rejected, Suggestion

NOTHING = None


# (language, what opens a list, two items that stand in it, a third, the separator, what closes it)
LISTS = [
    ("javascript", "const size = {", "width: 10", "height: 20", "depth: 30", ",", "};"),
    ("typescript", "enum Color {", "Red", "Green", "Blue", ",", "}"),
    ("typescript", "interface Point {", "left: number", "top: number", "far: number", ";", "}"),
    ("tsx", "const theme = {", "ink: dark", "paper: light", "edge: grey", ",", "};"),
    ("python", "def move(", "left", "top", "far", ",", "):\n    pass"),
    ("python", "from shapes import (", "Circle", "Square", "Line", ",", ")"),
    ("go", "var sizes = map[string]int{", '"a": 1', '"b": 2', '"c": 3', ",", "}"),
    ("rust", "struct Point {", "left: i32", "top: i32", "far: i32", ",", "}"),
    ("c", "enum color {", "RED", "GREEN", "BLUE", ",", "};"),
    ("cpp", "enum class Color {", "Red", "Green", "Blue", ",", "};"),
    ("java", "enum Color {", "RED", "GREEN", "BLUE", ",", "}"),
    ("csharp", "enum Color {", "Red", "Green", "Blue", ",", "}"),
    ("ruby", "sizes = {", "width: 10", "height: 20", "depth: 30", ",", "}"),
    ("php", "<?php\n$sizes = [", "'width' => 10", "'height' => 20", "'depth' => 30", ",", "];"),
    ("css", "p {", "color: red", "margin: auto", "padding: inherit", ";", "}"),
    ("json", "{", '"width": "a"', '"height": "b"', '"depth": "c"', ",", "}"),
    ("lua", "local sizes = {", "width = a", "height = b", "depth = c", ",", "}"),
    ("kotlin", "enum class Color {", "RED", "GREEN", "BLUE", ",", "}"),
    ("swift", "let sizes = [", '"a": one', '"b": two', '"c": three', ",", "]"),
    ("scala", "val sizes = Map(", '"a" -> one', '"b" -> two', '"c" -> three', ",", ")"),
    ("zig", "const Color = enum {", "red", "green", "blue", ",", "};"),
    ("yaml", "sizes: {", "width: a", "height: b", "depth: c", ",", "}"),
    ("toml", "sizes = [", '"a"', '"b"', '"c"', ",", "]"),
    ("sql", "SELECT", "name", "age", "height", ",", "FROM people;"),
    ("sql", "CREATE TABLE people (", "name text", "age integer", "height integer", ",", ");"),
    ("haskell", "sizes = [", "alpha", "beta", "gamma", ",", "  ]"),
    ("ocaml", "let sizes = [", "alpha", "beta", "gamma", ";", "]"),
    ("julia", "sizes = [", "alpha", "beta", "gamma", ",", "]"),
    ("elixir", "sizes = [", "alpha", "beta", "gamma", ",", "]"),
    ("", "sizes = c(", "alpha = 1", "beta = 2", "gamma = 3", ",", ")"),
]


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize(("language", "head", "first", "second", "third", "separator", "tail"), LISTS)
def test_the_next_item_is_not_said_again_with_another_separator(
    language: str, head: str, first: str, second: str, third: str, separator: str, tail: str, trigger: Trigger
) -> None:
    for behind in ("", separator):
        marked = f"{head}\n    {first}{separator}\n    |\n    {second}{behind}\n{tail}\n"
        for fill in (second, second + separator, f"{second} {separator}"):
            assert shown(marked, fill, language, trigger) is NOTHING, (fill, behind)
    marked = f"{head}\n    {first}{separator}\n    |\n    {second}\n{tail}\n"
    assert shown(marked, third + separator, language, trigger) == third + separator


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("python", "def area(\n    width,\n    |\n    height):\n    pass\n", "height,"),
        ("python", "x = f(\n    a,\n    |\n    g(b))\n", "g(b),"),
        ("c", "int f(int a,\n      |\n      int b) {\n}\n", "int b,"),
        ("cpp", "void f(int a,\n       |\n       int b)\n{\n}\n", "int b,"),
        ("java", "class A {\n    void f(\n        int a,\n        |\n        int b) {\n    }\n}\n", "int b,"),
        ("javascript", "f(\n  a,\n  |\n  b);\n", "b,"),
        ("rust", "fn f() {\n    g(\n        a,\n        |\n        b)\n}\n", "b,"),
        ("ruby", "f(\n  :a,\n  |\n  :b)\n", ":b,"),
        ("php", "<?php\nf(\n    $a,\n    |\n    $b);\n", "$b,"),
        ("sql", "INSERT INTO a (\n  b,\n  |\n  c)\nVALUES (1, 2);\n", "c,"),
        ("lua", "f(\n  a,\n  |\n  b)\n", "b,"),
        ("haskell", "x = [a\n    |\n    , b]\n", ", b"),
        ("scala", "f(\n  a,\n  |\n  b)\n", "b,"),
        ("", "f(\n  a,\n  |\n  b)\n", "b,"),
    ],
)
def test_the_last_item_is_not_said_again_either(language: str, marked: str, fill: str) -> None:
    assert shown(marked, fill, language) is NOTHING


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("python", "x = [\n    0,\n    |\n    0,\n]\n", "0,"),
        ("javascript", "const x = [\n  1.5,\n  |\n  1.5\n];\n", "1.5,"),
        ("c", "int x[] = {\n    0x00,\n    1,\n    |\n    0x00\n};\n", "0x00,"),
        ("json", "[\n  1,\n  |\n  null\n]\n", "null,"),
        ("rust", "let x = [\n    false,\n    |\n    true,\n];\n", "true,"),
        ("go", "var x = []string{\n\t1,\n\t|\n\t\"\",\n}\n", '"",'),
        ("html", "<ul>\n  <li>a</li>\n  |\n  <li>b</li>\n</ul>\n", "<li>c</li>"),
        ("html", "<p>\n  a\n  |\n  <br>\n</p>\n", "<br>"),
    ],
)  # fmt: skip
def test_values_that_lists_have_many_times_may_be_said_again(language: str, marked: str, fill: str) -> None:
    assert shown(marked, fill, language) == fill


# (language, text with a cursor, a line that stands farther below)
FARTHER = [
    ("javascript", "const a = 1;\n|\n\n// the second\nconst b = 2;\n", "const b = 2;"),
    ("javascript", "function run() {\n  |\n}\nwindow.onload = run;\n", "window.onload = run;"),
    ("javascript", "class A {\n  f() {\n    |\n  }\n}\nstart(new A());\n", "start(new A());"),
    ("typescript", "const a = 1;\n|\n/* of\n * two lines */\nconst b = 2;\n", "const b = 2;"),
    ("tsx", "function App() {\n  |\n}\n\nexport default App;\n", "export default App;"),
    ("python", "a = 1\n|\n\n# the second\nb = 2\n", "b = 2"),
    ("python", "def run():\n    |\n\nprepare(run)\n", "prepare(run)"),
    ("python", "a = 1\n|\nc = 3\nb = 2\n", "b = 2"),
    ("go", "func run() {\n\t|\n}\n\nvar stop = run\n", "var stop = run"),
    ("rust", "fn run() {\n    |\n}\n\nstatic STOP: u8 = 1;\n", "static STOP: u8 = 1;"),
    ("c", "int a = 1;\n|\n/* the second */\nint b = 2;\n", "int b = 2;"),
    ("cpp", "void run() {\n    |\n}\nint stop = 2;\n", "int stop = 2;"),
    ("java", "class A {\n    void f() {\n        |\n    }\n    int stop = 2;\n}\n", "int stop = 2;"),
    ("csharp", "class A {\n    void F() {\n        |\n    }\n    int stop = 2;\n}\n", "int stop = 2;"),
    ("ruby", "def run\n  |\nend\nprepare(:run)\n", "prepare(:run)"),
    ("php", "<?php\nfunction run() {\n    |\n}\nprepare('run');\n", "prepare('run');"),
    ("bash", "run() {\n  |\n}\ntrap run EXIT\n", "trap run EXIT"),
    ("bash", 'if [ -f a ]; then\n  |\nfi\nrm -f "$old"\n', 'rm -f "$old"'),
    ("html", "<div>\n  |\n</div>\n<p>The end</p>\n", "<p>The end</p>"),
    ("html", "<p>a</p>\n|\n<!-- second -->\n<p>b</p>\n", "<p>b</p>"),
    ("css", "p {\n  |\n}\n@import url(b.css);\n", "@import url(b.css);"),
    ("css", "@import url(a.css);\n|\n/* second */\n@import url(b.css);\n", "@import url(b.css);"),
    ("json", '{\n  "a": {\n    |\n  },\n  "b": "two"\n}\n', '"b": "two"'),
    ("lua", "local function run()\n  |\nend\nlocal stop = run\n", "local stop = run"),
    ("kotlin", "fun run() {\n    |\n}\nval stop = 2\n", "val stop = 2"),
    ("swift", "func run() {\n    |\n}\nlet stop = 2\n", "let stop = 2"),
    ("scala", "def run() = {\n  |\n}\nval stop = run()\n", "val stop = run()"),
    ("zig", "fn run() void {\n    |\n}\nconst stop = 2;\n", "const stop = 2;"),
    ("yaml", "a: one\n|\n\n# second\nb: two\n", "b: two"),
    ("toml", 'a = "one"\n|\n\n# second\nb = "two"\n', 'b = "two"'),
    ("markdown", "A first.\n\n|\n\nAnother one.\n", "Another one."),
    ("sql", "SELECT a FROM b;\n|\n-- second\nSELECT c FROM d;\n", "SELECT c FROM d;"),
    ("haskell", "a = one\n|\n-- second\nb = two\n", "b = two"),
    ("ocaml", "let a = one\n|\n(* second *)\nlet b = two\n", "let b = two"),
    ("julia", "function run()\n    |\nend\nstop = run\n", "stop = run"),
    ("elixir", "def run do\n  |\nend\n@stop 2\n", "@stop 2"),
    (
        "php",
        "<?php\nclass A {\n    function f() {\n        |\n    }\n    function g($a) {\n    }\n}\n",
        "function g($a) {",
    ),
    ("typescript", "function f() {\n  |\n}\nexport namespace A {\n}\n", "export namespace A {"),
    ("css", "a {\n  |\n}\n.b:hover {\n}\n", ".b:hover {"),
    ("python", "def f():\n    |\n\n\ndef g(a):\n    pass\n", "def g(a):"),
    ("", "var a = 1;\n|\n// second\nvar b = two;\n", "var b = two;"),
    ("", "void run() {\n  |\n}\nvar stop = run;\n", "var stop = run;"),
]


@pytest.mark.parametrize(("language", "marked", "line"), FARTHER)
def test_code_behind_comments_and_closers_is_not_said_again(language: str, marked: str, line: str) -> None:
    for trigger in Trigger:
        assert shown(marked, line, language, trigger) is NOTHING
        assert shown(marked, f"{line}\n", language, trigger) is NOTHING


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("python", "def f():\n    x = g()\n    |\n\n\ndef h():\n    x = k()\n    return x\n", "return x"),
        ("python", "for x in y:\n    if x:\n        |\n    continue\n", "continue"),
        ("python", "def f(x):\n    if x:\n        |\n    return None\n", "return None"),
        ("python", "if a:\n    if b:\n        c()\n    |\nelse:\n    d()\n", "else:"),
        ("python", "try:\n    a()\n    |\nexcept E:\n    b()\n", "b()"),
        ("javascript", "if (a) {\n  x();\n  |\n} else {\n  y();\n}\n", "y();"),
        ("javascript", "switch (a) {\n  case 1:\n    b();\n    |\n  case 2:\n    c();\n    break;\n}\n", "break;"),
        ("javascript", "function f() {\n  if (a) {\n    b();\n  |\n}\n", "}"),
        ("javascript", "f(function () {\n  g(function () {\n    a();\n  |\n});\n", "});"),
        ("c", "int f(int x) {\n    if (x) {\n        |\n    }\n    return 0;\n}\n", "return 0;"),
        ("ruby", "def f\n  if x\n    a\n  |\nend\n", "end"),
        ("ruby", "if a\n  if b\n    c\n  |\nelse\n  d\nend\n", "else"),
        ("lua", "if a then\n  if b then\n    c()\n  |\nend\n", "end"),
        ("yaml", "a:\n  one: x\n  |\nitems:\n  - b\n", "items:"),
        ("json", '{\n  "a": {\n    |\n  },\n  "items": {\n  }\n}\n', '"items": {'),
        ("html", "<div>\n  |\n</div>\n<div>\n</div>\n", "<div>"),
        ("json", '[\n  {\n    "a": "x",\n    |\n  },\n  {\n    "a": "y",\n    "b": "z"\n  }\n]\n', '"b": "z"'),
        ("yaml", "- a: x\n  |\n- a: y\n  b: z\n", "b: z"),
        ("yaml", "one:\n  a: x\n  |\ntwo:\n  b: z\n", "b: z"),
        ("go", "func f() error {\n\ta()\n\t|\n}\n\nfunc g() error {\n\treturn b\n}\n", "return b"),
        (
            "java",
            "class A {\n    int f() {\n        |\n    }\n    int g() {\n        return x;\n    }\n}\n",
            "return x;",
        ),
        ("css", "a {\n  |\n}\nb {\n  color: red;\n}\n", "color: red;"),
        ("toml", '[a]\n|\n\n[b]\nname = "x"\n', 'name = "x"'),
    ],
)
def test_what_other_blocks_say_may_be_said_here(language: str, marked: str, fill: str) -> None:
    assert shown(marked, fill, language) == fill


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("markdown", "---\ntitle: A\n|\n---\n", "---"),
        ("markdown", "Title\n|\n=====\n", "====="),
        ("markdown", "a\n\n|\n\n***\n", "***"),
        ("markdown", "```\ncode\n|\n```\n", "```"),
        ("markdown", "~~~\ncode\n|\n~~~\n", "~~~"),
        ("markdown", "a\n|\n> \n", ">"),
        ("yaml", "---\na: 1\n|\n---\n", "---"),
        ("yaml", "a: 1\n|\n...\n", "..."),
        ("python", 'def f():\n    """Say.\n    |\n    """\n', '"""'),
        ("python", "x = '''\na\n|\n'''\n", "'''"),
        ("python", "f(\n    a,\n|\n)\n", ")"),
        ("python", "x = [\n    a,\n|\n]\n", "]"),
        ("javascript", "/**\n * Say.\n |\n */\n", "*/"),
        ("javascript", "f(() => {\n  a();\n|\n});\n", "});"),
        ("java", "class A {\n    void f() {\n        a();\n    |\n    }\n}\n", "}"),
        ("c", "int x[] = {\n    1,\n|\n};\n", "};"),
        ("css", "p {\n  color: red;\n|\n}\n", "}"),
        ("html", "<!--\n  a\n|\n-->\n", "-->"),
        ("lua", "x = {\n  1,\n|\n}\n", "}"),
        ("sql", "CREATE TABLE a (\n  b int\n|\n);\n", ");"),
        ("ocaml", "let x = [\n  a;\n|\n]\n", "]"),
        ("rust", "fn f() {\n    a();\n|\n}\n", "}"),
        ("php", "<?php\nf();\n|\n?>\n", "?>"),
        ("elixir", 'x = """\na\n|\n"""\n', '"""'),
        ("julia", 'x = """\na\n|\n"""\n', '"""'),
        ("", "a\n|\n-----\n", "-----"),
        ("", "f(\n  a\n|\n)\n", ")"),
    ],
)
def test_signs_of_the_next_line_are_not_said_again(language: str, marked: str, fill: str) -> None:
    for trigger in Trigger:
        assert shown(marked, fill, language, trigger) is NOTHING


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("markdown", "```\ncode\n|\n\n```\nmore\n```\n", "```"),
        ("javascript", "x = [\n  {\n    a: 1,\n  },\n  |\n  {\n    a: 2,\n  },\n];\n", "{\n    a: 3,\n  },"),
        ("markdown", "a\n\n|\n\nb\n", "---"),
        ("css", "a {\n  color: red;\n|\n}\n", "}\n\nb {\n  color: blue;"),
        ("java", "/**\n * A.\n |\n *\n * @throws B\n */\n", "*\n * @return c"),
        ("python", "f(\n    g(\n        a,\n    |\n)\n", ")"),
    ],
)
def test_signs_that_are_needed_are_said(language: str, marked: str, fill: str) -> None:
    assert shown(marked, fill, language) == fill


FEATURES = Features(-1.0, -1.0, -1.0, -1.0, tokens=1, ended=True)


def infill(*pieces: tuple[str, float], confidence: float = 0.9) -> Infill:
    logarithms = tuple((piece, math.log(probability)) for piece, probability in pieces)
    return Infill("".join(piece for piece, _ in pieces), confidence, 1, 1, FEATURES, logarithms)


def selected(marked: str, language: str, *infills: Infill, trigger: Trigger = Trigger.AUTOMATIC) -> list[str] | Reason:
    question = context_at(marked, language, trigger)
    assert isinstance(question, Question), question
    result = select(question, snapshot_at(marked, language), infills, 0.4)
    return [one.text for one in result] if isinstance(result, tuple) else result


@pytest.mark.parametrize("confidence", [0.1, 0.9])
@pytest.mark.parametrize(
    ("language", "marked", "pieces"),
    [
        ("python", 'd = {\n    "a": 1,\n    |\n    "b": 2\n}\n', ['"b"', ": 2,"]),
        ("javascript", "x = {\n  a: 1,\n  |\n  b: 2\n};\n", ["b", ": 2,"]),
        ("javascript", "const a = 1;\n|\n// c\nconst b = f(2);\n", ["const b", " = f(2);"]),
        ("go", "var x = 1\n|\nvar y = f(2)\n", ["var y", " = f(2)"]),
        ("rust", "struct A {\n    a: i32,\n    |\n    b: i32\n}\n", ["b", ": i32,"]),
        ("css", "p {\n  color: red;\n  |\n  margin: auto;\n}\n", ["margin", ": auto;"]),
        ("ruby", "a = 1\n|\nbest = f(2)\n", ["best", " = f(2)"]),
        ("lua", "local a = 1\n|\nlocal b = f(2)\n", ["local b", " = f(2)"]),
        ("html", "<p>a</p>\n|\n<p>b</p>\n", ["<p>", "b</p>"]),
        ("markdown", "A.\n\n|\n\nAnother one.\n", ["Another", " one."]),
        ("yaml", "a: one\n|\nb: two\n", ["b", ": two"]),
        ("sql", "SELECT a FROM b;\n|\nSELECT c FROM d;\n", ["SELECT c", " FROM d;"]),
    ],
)
def test_no_piece_of_what_is_refused_is_shown(language: str, marked: str, pieces: list[str], confidence: float) -> None:
    head, tail = pieces
    fill = infill((head, 0.99), (tail, 0.3), confidence=confidence)
    assert isinstance(selected(marked, language, fill), Reason)
    other = infill((head, 0.99), (".other", 0.3), confidence=0.1)
    if language in ("ruby", "lua"):
        assert selected(marked, language, other) == [head]


def test_a_fill_that_breaks_off_in_a_line_below_is_a_piece_of_it() -> None:
    marked = 'function add() {\n  |\n}\nnode.addEventListener("click", add);\n'
    assert shown(marked, 'node.addEventListener("click",', "javascript") is NOTHING
    assert shown(marked, 'node.addEventListener("key",', "javascript") is not NOTHING


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("python", "def area(width,| height):\n    pass\n", " height,"),
        ("python", "f(a,| b)\n", " b,"),
        ("javascript", "f(a,| b);\n", " b,"),
        ("typescript", "import { a,| b } from 'c';\n", " b,"),
        ("go", "package a\n\nfunc f(a,| b int) {\n}\n", " b,"),
        ("rust", "fn f() {\n    g(a,| b);\n}\n", " b,"),
        ("java", "class A {\n    void f() {\n        g(a,| b);\n    }\n}\n", " b,"),
        ("sql", "SELECT a,| b FROM c;\n", " b,"),
        ("css", "p,| div { color: red; }\n", " div,"),
        ("json", '["a",| "b"]\n', ' "b",'),
        ("lua", "f(a,| b)\n", " b,"),
        ("", "f(a,| b)\n", " b,"),
    ],
)
def test_the_rest_of_the_line_is_not_said_again_with_another_separator(language: str, marked: str, fill: str) -> None:
    assert shown(marked, fill, language) is NOTHING
    other = fill.replace("height", "depth").replace("b", "q").replace("div", "span")
    assert shown(marked, other, language) == other


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("yaml", "dev:\n  port: 1\n  host: a\nprod:\n|\n", "  port: 2", "  port: 2"),
        ("yaml", "dev:\n  port: 1\n|\n", "prod:", "prod:"),
        ("yaml", "steps:\n  - name: a\n|\n", "    run: b", "    run: b"),
        ("yaml", "a: one\n|\n", "  b: two", "b: two"),
        ("haskell", "mul :: Int -> Int -> Int\nmul a b =\n|\n", "  a * b", "  a * b"),
        ("ocaml", "let mul a b =\n|\n", "  a * b", "  a * b"),
        ("scala", "def mul(a: Int, b: Int) =\n|\n", "  a * b", "  a * b"),
        ("kotlin", "fun mul(a: Int, b: Int) =\n|\n", "    a * b", "    a * b"),
        ("javascript", "/**\n * Adds.\n|\n */\nfunction f() {}\n", " * @param a", " * @param a"),
        ("java", "class A {\n    /**\n     * Adds.\n|\n     */\n}\n", "     * @param a", "     * @param a"),
        ("c", "/*\n * Adds.\n|\n */\n", " * Twice.", " * Twice."),
        ("c", "/*\n * Adds.\n|\n */\n", "* Twice.", " * Twice."),
        ("c", "void f() {\n    if (x)\n|\n    return;\n}\n", "        g();", "        g();"),
        ("c", "void f() {\n    if (x)\n|\n    return;\n}\n", "    g();", "        g();"),
        ("c", "void f() {\n    if (x)\n|\n    return;\n}\n", "    {", "    {"),
        ("java", "class A {\n    void f() {\n        for (;;)\n|\n    }\n}\n", "        g();", "            g();"),
        ("javascript", "if (x) f(y)\n|\n", "g();", "g();"),
        ("javascript", "do {\n  f()\n} while (x)\n|\n", "g();", "g();"),
        ("javascript", "if (x)\n|\nelse\n  g();\n", "f();", "  f();"),
        ("c", "void f() {\n    a();\n|\n    return;\n}\n", "        g();", "    g();"),
        ("javascript", "const a =\n|\n", "  f();", "  f();"),
        ("javascript", "promise\n|\n", "  .then(f);", "  .then(f);"),
        ("markdown", "```python\ndef f():\n|\n```\n", "    return 1", "    return 1"),
        ("markdown", "- a\n|\n", "  - b", "  - b"),
        ("markdown", "* a\n|\n", "  * b", "  * b"),
        ("html", "<div>\n|\n</div>\n", "  <p>a</p>", "  <p>a</p>"),
        ("css", "p {\n|\n}\n", "  color: red;", "  color: red;"),
        ("sql", "SELECT\n|\nFROM a;\n", "  b", "  b"),
        ("bash", "for x in a b\n|\n", "do", "do"),
        ("python", "def f():\n    a = 1\n|\n    return a\n", "        b = 2", "    b = 2"),
        ("python", "def f(x):\n    for a in x:\n|\n    return x\n", "       g(a)", "        g(a)"),
        ("python", "def f(x):\n    for a in x:\n|\n    return x\n", "    g(a)", "        g(a)"),
        ("python", "if a:\n    b()\n|\n", "else:", "else:"),
        ("ruby", "x = a\n|\n", "  .map(&:b)", "  .map(&:b)"),
        ("elixir", "a\n|\n", "  |> b()", "  |> b()"),
        ("julia", "f(a) =\n|\n", "    a + 1", "    a + 1"),
        ("swift", "let a = b\n|\n", "    .map(c)", "    .map(c)"),
        ("go", "func f() {\n\ta()\n|\n}\n", "\t\tb()", "\tb()"),
        ("", "function f()\n|\n", "  return 1", "  return 1"),
    ],
)
def test_indentation_on_an_empty_line(language: str, marked: str, fill: str, expected: str) -> None:
    assert shown(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("javascript", "f(() => {|\n", "\n  a();\n  });", "\n  a();\n});"),
        ("javascript", "function f() {\n  |\n}\n", "g({\n    a,\n    });", "g({\n    a,\n  });"),
        ("javascript", "function f() {\n|\n}\n", "  g({\n    a,\n    });", "  g({\n    a,\n  });"),
        ("python", "def f():\n    |\n", "x = [\n        1,\n        ]", "x = [\n        1,\n    ]"),
        ("java", "class A {\n    |\n}\n", "int f() {\n        a();\n        }", "int f() {\n        a();\n    }"),
        ("go", "func f() {\n\t|\n}\n", "if a {\n\t\tb()\n\t\t}", "if a {\n\t\tb()\n\t}"),
        ("rust", "fn f() {\n    |\n}\n", "if a {\n        b();\n    }", "if a {\n        b();\n    }"),
        ("css", "@media print {\n  |\n}\n", "p {\n    color: red;\n    }", "p {\n    color: red;\n  }"),
        ("lua", "x = {|\n", "\n  a = 1,\n  }", "\n  a = 1,\n}"),
    ],
)
def test_closers_stand_below_what_they_close(language: str, marked: str, fill: str, expected: str) -> None:
    assert shown(marked, fill, language) == expected


SPACES_THEN_TABS = "def a():\n    x = 1\n    y = 2\n    return x\n\n\ndef b():\n\tx = 1\n\ty = 2\n\treturn x\n\n\n"


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("python", SPACES_THEN_TABS + "def c():\n    z = 3\n|\n", "\treturn z", "    return z"),
        ("python", SPACES_THEN_TABS + "def c():\n\tz = 3\n|\n", "    return z", "\treturn z"),
        (
            "python",
            "def c():\n    z = 3\n|\n\n\n" + SPACES_THEN_TABS.replace("    ", "\t"),
            "\treturn z",
            "    return z",
        ),
        ("python", "def c():\n|\n    return z\n\n\n" + SPACES_THEN_TABS.replace("    ", "\t"), "\tz = 3", "    z = 3"),
        ("javascript", "function a() {\n\tb();\n\tc();\n}\nfunction d() {\n  e();\n|\n}\n", "\tf();", "  f();"),
        ("javascript", "function a() {\n  b();\n}\nfunction d() {\n\te();\n|\n}\n", "  f();", "\tf();"),
        ("c", "void a() {\n\tb();\n\tc();\n}\nvoid d() {\n    e();\n|\n}\n", "\tf();", "    f();"),
        ("php", "<?php\nfunction a() {\n\tb();\n}\nfunction d() {\n    e();\n|\n}\n", "\tf();", "    f();"),
        ("css", "a {\n\tcolor: red;\n}\nb {\n  color: red;\n|\n}\n", "\tmargin: 0;", "  margin: 0;"),
        ("html", "<ul>\n\t<li>a</li>\n</ul>\n<ul>\n  <li>a</li>\n|\n</ul>\n", "\t<li>b</li>", "  <li>b</li>"),
    ],
)
def test_tabs_or_spaces_as_the_block_has(language: str, marked: str, fill: str, expected: str) -> None:
    assert shown(marked, fill, language) == expected


def test_choices_that_differ_in_white_space_alone_are_one() -> None:
    marked = "def f(x):\n    total = 0\n    for a in x:\n|\n    return total\n"
    fills = [infill((" " * count + "total += a", 0.9)) for count in (7, 8, 12)]
    assert selected(marked, "python", *fills, trigger=Trigger.INVOKED) == ["        total += a"]
    spaced = infill(("b", 0.9)), infill((" b", 0.9)), infill(("c", 0.9))
    assert selected("x =|\n", "python", *spaced, trigger=Trigger.INVOKED) == ["b", "c"]


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("json", '{\n  "a": 1,\n  "b": |\n}\n', "2,", "2"),
        ("json", '{\n  "a": 1,\n  |\n}\n', '"b": 2,', '"b": 2'),
        ("json", '{\n  "a": 1,\n  |\n  "c": 3\n}\n', '"b": 2,', '"b": 2,'),
        ("json", "[\n  1,\n  |\n]\n", "2,", "2"),
        ("json", '{"a": |}\n', "true,", "true"),
        ("json", '{\n  "a": "|"\n}\n', "b,", "b,"),
        ("toml", "a = { b = | }\n", "1,", "1"),
        ("toml", "a = [\n  1,\n  |\n]\n", "2,", "2,"),
        ("sql", "SELECT\n  a,\n  |\nFROM b;\n", "c,", "c"),
        ("sql", "SELECT\n  a,\n  |\n  c\nFROM b;\n", "d,", "d,"),
        ("sql", "CREATE TABLE a (\n  b int,\n  |\n);\n", "c int,", "c int"),
        ("sql", "INSERT INTO a (b, |) VALUES (1, 2);\n", "c,", "c"),
        ("sql", "SELECT a,\n  |\n  -- from there\nFROM b;\n", "c,", "c"),
        ("c", "void f() {\n    g(a, |);\n}\n", "b,", "b"),
        ("c", "void f(int a, |) {\n}\n", "int b,", "int b"),
        ("c", "enum a {\n    B,\n    |\n};\n", "C,", "C,"),
        ("cpp", "void f() {\n    g(a, |);\n}\n", "b,", "b"),
        ("java", "class A {\n    void f(int a, |) {\n    }\n}\n", "int b,", "int b"),
        ("java", "class A {\n    void f() {\n        g(a, |);\n    }\n}\n", "b,", "b"),
        ("csharp", "class A {\n    void F() {\n        G(a, |);\n    }\n}\n", "b,", "b"),
        ("lua", "f(a, |)\n", "b,", "b"),
        ("lua", "x = { a, | }\n", "b,", "b,"),
        ("elixir", "f(a, |)\n", "b,", "b"),
        ("ocaml", "let x = (a, |)\n", "b,", "b"),
        ("haskell", "x = [a, |]\n", "b,", "b"),
        ("css", "p { margin: 1px, |; }\n", "2px,", "2px"),
        ("css", "p {\n  font-family: |;\n}\n", "serif,", "serif"),
        ("python", "f(\n    a,\n    |\n)\n", "b,", "b,"),
        ("javascript", "f(\n  a,\n  |\n);\n", "b,", "b,"),
        ("go", "package a\n\nvar x = []int{\n\t1,\n\t|\n}\n", "2,", "2,"),
        ("rust", "fn f() {\n    g(\n        a,\n        |\n    );\n}\n", "b,", "b,"),
    ],
)
def test_commas_behind_the_last_item(language: str, marked: str, fill: str, expected: str) -> None:
    assert shown(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("html", '<nav>\n<a href="a"|></a>\n</nav>\n', ">Contact</a", Suggestion(">Contact", 1)),
        ("html", '<nav>\n<a href="a"|></a>\n</nav>\n', ">Contact</a>", Suggestion(">Contact", 1)),
        ("html", "<p|></p>\n", ' class="a">Text</p>', Suggestion(' class="a">Text', 1)),
        ("html", "<p|></p>\n", ' title="a > b"', Suggestion(' title="a > b"')),
        ("tsx", "const a = <p|></p>;\n", " onClick={() => f()}", Suggestion(" onClick={() => f()}")),
        ("html", "<ul>\n  <li|></li>\n</ul>\n", ">One</li>", Suggestion(">One", 1)),
        ("html", "<p>|</p>\n", "Text</p>", Suggestion("Text")),
        ("html", "<p>|</p>\n", "Text</b>", None),
        ("html", "<p>|</p>\n", "Text</p", Suggestion("Text")),
        ("html", "<p>|</p>\n", "a <b>bold</b> word", Suggestion("a <b>bold</b> word")),
        ("html", "<div>\n  |\n</div>\n", "</div>", None),
        ("html", "<div>\n  <p>a\n  |\n</div>\n", "</p>", Suggestion("</p>")),
        ("html", "<div>\n  |\n</div>\n", "<img src=a>", Suggestion("<img src=a>")),
        ("html", "<div>\n  |\n</div>\n", "<span>a</span>", Suggestion("<span>a</span>")),
        ("tsx", "const a = <p|></p>;\n", ">Text</p>", Suggestion(">Text", 1)),
        ("tsx", "const a = <p>|</p>;\n", "Text</b>", None),
        ("tsx", "const a = <p>|</p>;\n", "<b>{c}</b>", Suggestion("<b>{c}</b>")),
        ("javascript", "const a = <p>|</p>;\n", "Text</b>", None),
        ("", "<template>\n  <a|></a>\n</template>\n", ">Text</a>", Suggestion(">Text", 1)),
        ("", "<template>\n  <p>|</p>\n</template>\n", "Text</b>", None),
        ("", "<note>\n  <to>|</to>\n</note>\n", "Ann</note>", None),
        ("", "<note>\n  |\n</note>\n", "<to>Ann</to>", Suggestion("<to>Ann</to>")),
        ("php", "<p>|</p>\n", "Text</b>", None),
        ("php", "<p>|</p>\n", "<?php echo $a; ?>", Suggestion("<?php echo $a; ?>")),
        ("markdown", "<p>|</p>\n", "Text</b>", None),
        ("html", "<body>\n<br>\n<input>\n|\n</body>\n", "<p>a</p>", Suggestion("<p>a</p>")),
        ("html", "<a title='</b>'>|</a>\n", "x</b>", None),
        ("tsx", "const f = (a: Array<string>) => <p>|</p>;\n", "<b>x</b>", Suggestion("<b>x</b>")),
    ],
)
def test_end_tags(language: str, marked: str, fill: str, expected: Suggestion | None) -> None:
    question = context_at(marked, language)
    assert isinstance(question, Question), question
    result = postprocess(question, snapshot_at(marked, language), fill)
    assert (None if isinstance(result, Rejected) else result) == expected


@pytest.mark.parametrize("quote", ['"', "'", "`"])
@pytest.mark.parametrize(
    ("language", "uri"),
    [("html", "a.html"), ("vue", "a.vue"), ("svelte", "a.svelte"), ("dart", "a.dart"), ("r", "a.r"), ("", "a"),
     ("markdown", "a.md"), ("perl", "a.pl"), ("json", "a.json"), ("sql", "a.sql"), ("c", "a.c"), ("haskell", "a.hs")],
)  # fmt: skip
def test_a_pair_of_quotes_stays_a_pair(language: str, uri: str, quote: str) -> None:
    for head, tail in (("<script>\nf(", ");\n</script>\n"), ("f(", ")\n")):
        marked = f"{head}{quote}|{quote}{tail}"
        question = context_at(marked, language, uri=uri)
        assert isinstance(question, Question), question
        for fill in (quote, f"a{quote}, b", f"a{quote}b"):
            result = postprocess(question, snapshot_at(marked, language, uri), fill)
            if isinstance(result, Suggestion) and not result.replaced:
                assert (f"{head}{quote}{result.text}{quote}{tail}").count(quote) % 2 == 0
        if quote != "`" or language not in ("c", "haskell"):  # where it quotes nothing
            assert postprocess(question, snapshot_at(marked, language, uri), "word") == Suggestion("word")


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("*" * 900, True),
        ("/" + "*" * 200 + "/", True),
        ("-" * 130, True),
        ("=" * 400, True),
        ("." * 150, True),
        ("_" * 200, True),
        ("a" * 30, True),
        ('x = "' + "b" * 60 + '"', True),
        ("abababab", True),
        ("hahahahahahaha", True),
        ("namenamenamename", True),
        ("return_return_return_return_return_", True),
        ("0" * 200, True),
        ("12" * 60, True),
        ("哈" * 40, True),
        ("-=" * 80, True),
        ("*" * 80, False),
        ("-" * 79, False),
        ("=" * 100, False),
        ("# " + "#" * 76, False),
        ("~" * 60, False),
        ("0x0000000000000000", False),
        ("0xFFFFFFFF", False),
        ("0xaaaaaaaaaaaaaaaa", False),
        ("0x5a5a5a5a5a5a5a5a", False),
        ("0" * 64, False),
        ("1000000000", False),
        ("XXXXXXXXXX", False),
        ("aaaa", False),
        ("banana", False),
        ("Mississippi", False),
        ("00000000-0000-0000-0000-000000000000", False),
        ("|---|---|---|", False),
        ("lalala", False),
    ],
)
def test_loops_inside_one_word_or_of_one_sign(text: str, is_loop: bool) -> None:
    assert loops(text) is is_loop


@pytest.mark.parametrize(
    ("language", "marked", "fill"),
    [
        ("python", "self.history.append((dateti|\n", "me.now(, amount)"),
        ("python", "x = f|\n", "(, a)"),
        ("javascript", "const a = f|\n", "(, b);"),
        ("java", "class A {\n    void f() {\n        g|\n", "(, a);"),
        ("go", "package a\n\nfunc f() {\n\tg|\n", "(, a)"),
        ("rust", "fn f() {\n    g|\n", "(, a);"),
        ("ruby", "x = f|\n", "(, a)"),
        ("php", "<?php\n$x = f|\n", "(, $a);"),
        ("lua", "x = f|\n", "(, a)"),
        ("kotlin", "val x = f|\n", "(, a)"),
        ("swift", "let x = f|\n", "(, a)"),
        ("typescript", "const a = f|\n", "(\n  , b);"),
        ("sql", "SELECT f|\n", "(, a)"),
    ],
)
def test_no_argument_is_left_out(language: str, marked: str, fill: str) -> None:
    found = shown(marked, fill, language, Trigger.AUTOMATIC)
    assert found is NOTHING or "(," not in found
    whole = fill.replace("(,", "(1,").replace("(\n  ,", "(1,")
    assert shown(marked, whole, language, Trigger.AUTOMATIC) is not NOTHING


def test_commas_in_strings_are_no_arguments() -> None:
    assert shown("x = |\n", 'f("(, a)")', "python") == 'f("(, a)")'
    assert shown("x = |\n", "f('a', b)", "python") == "f('a', b)"
