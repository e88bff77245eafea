"""What people write though a grammar, a bracket or the line above speaks against it."""

from __future__ import annotations

import pytest
from marked_text import shown


@pytest.mark.parametrize(
    ("language", "marked", "fill", "expected"),
    [
        ("bash", "case $1 in\n  a)\n    x\n    ;;\n  |\n    y\n    ;;\nesac\n", "c)", "c)"),
        ("bash", "case $1 in\n  a)\n    x\n    ;;\n  |\n    y\n    ;;\nesac\n", "--no-c | -n)", "--no-c | -n)"),
        ("bash", "echo a|\n", " b)", " b"),
        ("bash", "x=(a\n  b\n  |\n", "c)", "c)"),
        ("c", "#ifdef A\n#ifdef B\nint a;\n#endif\n|\n", "#endif", "#endif"),
        ("cpp", "|\n{\n    a();\n}\n", 'TEST_CASE("a", "[b]")', 'TEST_CASE("a", "[b]")'),
        ("cpp", "|\nint a;\n", "BEGIN_NAMESPACE", "BEGIN_NAMESPACE"),
        (
            "sql",
            "CREATE FUNCTION a() RETURNS trigger AS $$\nBEGIN\n  |\n  RETURN NEW;\nEND;\n$$ LANGUAGE plpgsql;\n",
            "NEW.updated_at := now();",
            "NEW.updated_at := now();",
        ),
        ("c", "/**\n * A\n |\n#ifdef A\n__owur int f(int a);\n#endif\n", "*/", "*/"),
        ("cpp", "void f() {\n|\n    a();\n}\n", "#ifdef A", "#ifdef A"),
    ],
)
def test_what_people_write_is_shown(language: str, marked: str, fill: str, expected: str | None) -> None:
    assert shown(marked, fill, language) == expected
