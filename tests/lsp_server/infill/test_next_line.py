"""What the next lines say is not said again in another form: openers, rulers, keys, quotes, code behind marks."""

from __future__ import annotations

import pytest
from marked_text import shown


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("c", "int main(void)\n|\n{\n    return 0;\n}\n", "{", None),
        ("csharp", "class A\n|\n{\n}\n", "{", None),
        ("php", "<?php\nclass A\n|\n{\n}\n", "{", None),
        ("bash", "f()\n|\n{\n  echo a\n}\n", "{", None),
        ("markdown", "A\n|\n---\n", "----", None),
        ("", "Title\n|\n=====\n", "========", None),
        ("markdown", "a\n|\n|---|---|\n", "|-----|-----|", None),
        ("markdown", "````\n```\na\n|\n```\n````\n", "b", "b"),
        ("python", "COLORS = {\n    'red': 1,\n    |\n    'green': 2\n}\n", "'green': 1,", None),
        ("python", "COLORS = {\n    'red': 1,\n    |\n    'green': 2\n}\n", '"green": 1,', None),
        ("python", "COLORS = {\n    'red': 1,\n    |\n    'green': 2\n}\n", "'blue': 1,", "'blue': 1,"),
        ("rust", "fn f() {\n    let p = Point {\n        x: 1,\n        |\n        y: 2\n    };\n}\n", "y: 1,", None),
        (
            "rust",
            "fn f() {\n    let p = Point {\n        x: 1,\n        |\n        y: 2\n    };\n}\n",
            "z: 1,",
            "z: 1,",
        ),
        ("c", "struct point p = {\n    .x = 1,\n    |\n    .y = 2\n};\n", ".y = 1,", None),
        ("zig", "const p = Point{\n    .x = 1,\n    |\n    .y = 2\n};\n", ".y = 1,", None),
        ("swift", 'let ages = [\n    "ann": 3,\n    |\n    "bob": 4\n]\n', '"bob": 1,', None),
        ("kotlin", "data class User(\n    val id: Int,\n    |\n    val name: String\n)\n", "name: String,", None),
        (
            "kotlin",
            "data class User(\n    val id: Int,\n    |\n    val name: String\n)\n",
            "val age: Int,",
            "val age: Int,",
        ),
        ("yaml", "ports:\n  - 80\n  |\n  - 443\n", "-", None),
        ("yaml", "ports:\n  - 80\n  |\n  - 443\n", "- 81", "- 81"),
        ("yaml", "steps:\n  - name: a\n  |\n  - name: b\n", "- name: c", "- name: c"),
        ("yaml", "a:\n  one: 1\n  |\n  two: 2\n", "two: 3", None),
        ("yaml", "a:\n  one: 1\n  |\n  two: 2\n", "three: 3", "three: 3"),
        ("toml", "a = 1\n|\nb = 2\n", "b = 3", None),
        ("lua", "x = {\n  a = 1,\n  |\n  b = 2\n}\n", "b = 3,", None),
        ("php", "<?php\n$a = [\n    'a' => 1,\n    |\n    'b' => 2\n];\n", '"b" => 3,', None),
        ("ruby", "a = {\n  a: 1,\n  |\n  b: 2\n}\n", "b: 3,", None),
        ("julia", 'x = Dict(\n    "a" => 1,\n    |\n    "b" => 2\n)\n', '"b" => 3,', None),
        ("python", "f(\n    a=1,\n    |\n    b=2,\n)\n", "b=3,", None),
        ("python", "a = 1\n|\nb = 2\n", "b = 3", "b = 3"),
        ("javascript", "function f() {\n  a = 1;\n  |\n  b = 2;\n}\n", "b = 3;", "b = 3;"),
        ("javascript", "const x = {\n  a: 1,\n  |\n  b: 2\n};\n", "b: 3,", None),
        ("javascript", "switch (a) {\n  case 1:\n    b();\n    |\n  case 2:\n    c();\n}\n", "break;", "break;"),
        ("css", "a {\n  color: red;\n  |\n  display: flex;\n}\n", "display: -webkit-box;", "display: -webkit-box;"),
        ("html", '<p\n  id="a"\n  |\n  class="b">\n</p>\n', 'class="b"', None),
        ("html", '<p\n  id="a"\n  |\n  class="b">\n</p>\n', 'class="c"', None),
        ("html", '<p\n  id="a"\n  |\n  class="b">\n</p>\n', 'title="c"', 'title="c"'),
        (
            "python",
            "class A:\n    def f(self):\n        |\n\n    @cached\n    def g(self):\n        return 1\n",
            "def g(self):",
            None,
        ),
        ("rust", "fn f() {\n    |\n}\n\n#[test]\nfn g() {\n}\n", "fn g() {", None),
        ("kotlin", "fun f() {\n    |\n}\n\n@Test\nfun g() {\n}\n", "fun g() {", None),
        (
            "elixir",
            'defmodule A do\n  def f do\n    |\n  end\n\n  @doc "g"\n  def g(a) do\n  end\nend\n',
            "def g(a) do",
            None,
        ),
        ("julia", 'function f()\n    |\nend\n\n"""g"""\nfunction g(a)\nend\n', "function g(a)", None),
        ("julia", 'function f()\n    |\nend\n\n"g"\nfunction g(a)\nend\n', "function g(a)", None),
        ("cpp", "class A {\n    int y;\n    |\nprivate:\n    int x;\n};\n", "int x;", None),
        (
            "java",
            "class A {\n    void f() {\n        |\n    }\n\n    @Override\n    public int g() {\n    }\n}\n",
            "public int g() {",
            None,
        ),
        (
            "csharp",
            "interface A {\n    |\n    int B();\n\n    [return: MarshalAs(UnmanagedType.BStr)]\n    int C();\n}\n",
            "[return: MarshalAs(UnmanagedType.BStr)]",
            "[return: MarshalAs(UnmanagedType.BStr)]",
        ),
        ("java", "class A {\n    |\n    void b() {\n    }\n\n    @Test\n    void c() {\n    }\n}\n", "@Test", "@Test"),
        ("javascript", "x = {\n  'a': 1,\n  |\n  'b': 2,\n};\n", '"b": 2,', None),
        ("toml", "a = [\n  'x',\n  |\n  'y'\n]\n", '"y",', None),
        ("yaml", "---\na: 1\n|\n---\n", "---\n", None),
    ],
)
def test_the_next_line_in_another_form(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected
