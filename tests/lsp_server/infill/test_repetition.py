"""Loops: a fill that says one thing over and over, and what people write that looks like it."""

from __future__ import annotations

import pytest

from lacuna.lsp_server.infill.repetition import loops


@pytest.mark.parametrize(
    "text",
    [
        '["bob", "bob", "bob", "bob", "bob", "bob", "bob", "bob"]',
        "the end of the end of the end of the end of the end.",
        "This is a test. This is a test. This is a test. This is a test. Done.",
        "f(f(f(f(f(f(f(f(1))))))))",
        "((((((((((((((1))))))))))))))",
        "10000000000000000000000000000000000000000000000000000000000",
        "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        "👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽",
        "thisisalongonethisisalongonethisisalongonethisisalongone",
        "$x = 3;\n$x = 4;\n$x = 5;\n",
        "$x = 3;\n    $x = 4;\n    $x = 5;",
        "1,\n2,\n1,\n2,\n1,\n2,\n1,\n2,",
        'print("a"); print("a"); print("a"); print("a"); x = 1',
        "a.b(a.b(a.b(a.b(a.b(a.b(1))))))",
    ],
)
def test_one_thing_over_and_over(text: str) -> None:
    assert loops(text)


@pytest.mark.parametrize(
    "text",
    [
        "1, 2, 3, 4, 5, 6, 7, 8",
        "0,\n0,\n0,\n0,\n0,\n0,",
        "x[0] = 1;\nx[1] = 2;\nx[2] = 3;",
        "x = 1;\ny = 2;\nz = 3;",
        "a = [1, 2, 1, 2, 1, 2, 1, 2]",
        "┌────────────────────────────────────────────────────────────┐",
        "· · · · · ",
        "None, None, None, None)",
        "f(f(x))",
        "int, int, int, int)",
        '"%s %s %s %s\\n", a, b, c, d',
        "1000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "a += 1\na += 2",
        "{0, 1},\n{1, 0},\n{0, 1},\n{1, 0},",
        "}}}}}}",
        'await page.click("#a"); await page.click("#b"); await page.click("#c"); await page.click("#d");',
        "float a, float b, float c, float d",
        "////////////////////////",
        "######################################################################",
        "<td></td><td></td><td></td>",
    ],
)
def test_rows_that_people_write(text: str) -> None:
    assert not loops(text)
