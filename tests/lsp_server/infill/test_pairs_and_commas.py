"""Quotes and tags that are half there, and commas where a language forbids them."""

from __future__ import annotations

import pytest
from marked_text import shown


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("", "var a = '|'; // it's\n", "'", None),
        ("", "it's a '|' b\n", "'", None),
        ("", "it's a '|' b\n", "word", "word"),
        ("", "f('''|''')\n", "'''", None),
        ("", "f('''|''')\n", "a", "a"),
        ("html", "<p>a<|</p>\n", "/p>", None),
        ("html", "<p>a</|</p>\n", "p>", None),
        ("html", "<p>a<|\n", "/p>", "/p>"),
    ],
)
def test_pairs_that_are_half_there(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("python", "from a import b, |\n", "c,", "c"),
        ("python", "from a import (b, |)\n", "c,", "c,"),
        ("python", "x = a, |\n", "c,", "c,"),
        ("javascript", "function f(a, ...|) {\n}\n", "rest,", "rest"),
        ("javascript", "const { a, ...| } = b;\n", "rest,", "rest"),
        ("javascript", "f(a, ...|)\n", "rest,", "rest,"),
        ("lua", "function f()\n  return a, |\nend\n", "b,", "b"),
        ("scala", "f(a, |)\n", "b,", "b"),
        ("swift", "f(a, |)\n", "b,", "b"),
        ("cpp", "A::A() : a(1), | {\n}\n", "b(2),", "b(2)"),
        ("cpp", "int x[] = {a(1), |\n  {2}};\n", "b(2),", "b(2),"),
        ("sql", "WITH a AS (SELECT 1), | SELECT 2;\n", "b AS (SELECT 2),", "b AS (SELECT 2)"),
    ],
)
def test_commas_that_a_language_forbids(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected
