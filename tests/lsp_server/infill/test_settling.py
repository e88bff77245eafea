"""Where the lines of a fill stand: below statements of several lines, and below each other."""

from __future__ import annotations

import pytest
from marked_text import shown


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("python", "def c(a,\n      b):\n|\n", "    return a", "    return a"),
        ("python", "class A:\n    def c(self,\n          b):\n|\n", "        return a", "        return a"),
        ("python", "if (a and\n        b):\n|\n", "    return a", "    return a"),
        ("python", "def c(\n        a,\n        b):\n|\n", "    return a", "    return a"),
        ("python", "def c(\n    a,\n    b,\n):\n|\n", "    return a", "    return a"),
        ("python", "with open(a) as b, \\\n     open(c) as d:\n|\n", "    b()", "    b()"),
        ("python", "def f():\n    x = g(a,\n          b)\n|\n", "    return x", "    return x"),
        ("bash", "if a &&\n   b; then\n|\nfi\n", "  c", "    c"),
        ("bash", "if a &&\n   b; then\n|\nfi\n", "    c", "    c"),
        ("c", "int f(int a,\n      int b) {\n|\n}\n", "    return a;", "    return a;"),
        ("c", "int f(int a) {\n    if (a &&\n        b)\n|\n    return 1;\n}\n", "        g();", "        g();"),
        ("javascript", "if (a &&\n    b) {\n|\n}\n", "  c();", "  c();"),
        ("javascript", "function f(a,\n           b) {\n|\n}\n", "  c();", "  c();"),
        ("java", "class A\n        extends B {\n|\n}\n", "    int a;", "    int a;"),
        ("rust", "fn f(a: i32,\n     b: i32) -> i32 {\n|\n}\n", "    a", "    a"),
        ("cpp", "void init() {\n    |\n}\n", "     init();", "init();"),
        ("cpp", "void init() {\n    |\n}\n", " init();", "init();"),
        ("ruby", "def greet\n  |\nend\n", '    return "Hello"', 'return "Hello"'),
        ("bash", "greet() {\n  |\n}\n", "    return 1", "return 1"),
        ("python", "def a(x):\n\ty = x\n\treturn y\n\n\ndef b(x):\n    |\n", "     return x", "return x"),
        ("php", "<?php\nfunction f() {\n    |\n}\n", "     return false;", "return false;"),
        ("python", "class A:\n    def f(self):\n        a()\n    |\n        b()\n", "    c()", "    c()"),
        ("python", "if x:\n    |\n", "    b()", "b()"),
        ("python", "def f():\n    if x:\n    |\n", "    b()", "    b()"),
        ("", "all: a\n|\n", "\techo b", "\techo b"),
        ("", "SRC = a \\\n    b\n\nall: a\n|\n", "\techo b", "\techo b"),
        ("", "a\n    b\n|\n", "\tc", "    c"),
        ("cpp", "void f() {\n|\n    a();\n}\n", "#define A 1", "#define A 1"),
        ("python", "def f(x):\n    for a in x:\n     |\n    return x\n", "   g(a)", "   g(a)"),
        ("python", "def f(x):\n    for a in x:\n     |\n    return x\n", "        g(a)", "   g(a)"),
        ("python", "def f(x):\n    for a in x:\n  |\n    return x\n", " g(a)", "      g(a)"),
        ("c", "void f()\n{\n    a();\n    |\n}\n", "     b();\n     c();", "b();\n    c();"),
        ("go", "func f() {\n\t|\n}\n", "\ta()\n\tb()", "a()\n\tb()"),
        ("python", "class A:\n    def f(self):\n        a()\n\n    |\n", "    c()", "    c()"),
        ("python", "def f(x):\n    x()\n  |\n    y()\n", "   z()\n     w()", "  z()\n    w()"),
        ("yaml", "a:\n  b: 1\n  |\n", "  c: 2\n  d: 3", "c: 2\n  d: 3"),
    ],
)
def test_the_first_line(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        (
            "python",
            "COLORS = {\n    'red': 1,\n    |\n    'green': 2\n}\n",
            "'white': 1,\n     'blue': 1,",
            "'white': 1,\n    'blue': 1,",
        ),
        ("toml", 'members = [\n  "core",\n  |\n]\n', '"a",\n    "b",\n    "c",', '"a",\n  "b",\n  "c",'),
        ("toml", 'members = [\n  "core",\n  |\n]\n', '    "a",\n    "b",\n    "c",', '"a",\n  "b",\n  "c",'),
        ("python", "def f():\n    |\n", "a = 1\n     return a", "a = 1\n    return a"),
        ("python", "def f():\n    |\n", "a = 1\nreturn a", "a = 1"),
        ("python", "def f():\n    |\n", "     a = 1\n     return a", "a = 1\n    return a"),
        ("python", "def f():\n    |\n", "if a:\n    b()\n    c()", "if a:\n        b()\n        c()"),
        ("python", "def f():\n    |\n", "if a:\n         b()\n    c()", "if a:\n        b()\n    c()"),
        ("python", "def f():\n    |\n", "    if a:\n        b()\n    c()", "if a:\n        b()\n    c()"),
        ("python", "def f():\n    |\n", "x = g(a,\n          b)\n    c()", "x = g(a,\n          b)\n    c()"),
        ("python", "def f():\n|\n", "    a = 1\n     return a", "    a = 1\n    return a"),
        ("python", "def f():\n|\n", "   a = 1\n   return a", "    a = 1\n    return a"),
        ("python", "def f():|\n", "\n     a = 1\n     return a", "\n    a = 1\n    return a"),
        ("python", "def f():|\n", "\n     a = 1\n    return a", "\n    a = 1\n    return a"),
        ("javascript", "x\n  |\n", "  .then(a)\n  .then(b);", ".then(a)\n  .then(b);"),
        ("javascript", "function f() {\n  |\n}\n", "a\n    .b()\n    .c();", "a\n    .b()\n    .c();"),
    ],
)
def test_the_lines_below_it(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("go", "func f(a int,\n\tb int) {\n|\n}\n", "\treturn", "\treturn"),
        (
            "typescript",
            "class A {\n  f(a: number,\n    b: number): number {\n|\n  }\n}\n",
            "    return a;",
            "    return a;",
        ),
        (
            "csharp",
            "class A\n{\n    void F(int a,\n           int b)\n    {\n|\n    }\n}\n",
            "        G();",
            "        G();",
        ),
        ("php", "<?php\nfunction f($a,\n           $b) {\n|\n}\n", "    return $a;", "    return $a;"),
        ("kotlin", "fun f(a: Int,\n      b: Int): Int {\n|\n}\n", "    return a", "    return a"),
        ("swift", "func f(a: Int,\n       b: Int) -> Int {\n|\n}\n", "    return a", "    return a"),
        ("ruby", "def f(a,\n      b)\n|\nend\n", "  a", "  a"),
        ("lua", "function f(a,\n           b)\n|\nend\n", "  return a", "  return a"),
        ("lua", "if a and\n   b then\n|\nend\n", "  c()", "  c()"),
        ("elixir", "def f(a,\n      b) do\n|\nend\n", "  a", "  a"),
        ("julia", "function f(a,\n           b)\n|\nend\n", "    a", "    a"),
        ("zig", "fn f(a: u8,\n     b: u8) u8 {\n|\n}\n", "    return a;", "    return a;"),
        ("scala", "def f(a: Int,\n      b: Int) = {\n|\n}\n", "  a", "  a"),
        ("bash", "if a \\\n   && b; then\n|\nfi\n", "    c", "    c"),
        ("python", "if a and \\\n        b:\n|\n", "    c()", "    c()"),
        ("python", "def area(width: int,\n         height: int) -> int:\n|\n", "    return width", "    return width"),
        ("python", "x = f(a,\n      b)\n|\n", "y = 1", "y = 1"),
        (
            "python",
            "class A:\n    def f(self,\n          a):\n|\n\n    def g(self):\n        pass\n",
            "        return a",
            "        return a",
        ),
        ("c", "if (a\n    && b)\n|\n", "    c();", "    c();"),
        ("javascript", "const x = a\n  ? b\n  : c;\n|\n", "y();", "y();"),
        ("rust", "fn f<T>(a: T) -> T\nwhere\n    T: Clone,\n{\n|\n}\n", "    a", "    a"),
    ],
)
def test_below_a_statement_of_several_lines(language: str, marked: str, fill: str, expected: str) -> None:
    assert shown(marked, fill, language) == expected
