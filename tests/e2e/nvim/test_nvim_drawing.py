"""How suggestions of every shape are drawn and put in: what is drawn is what comes. No server is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from neovim import SERVE, Neovim, program

SHOW = """
local item, row, col = ...
local suggestion = require("lacuna.suggestion").new(item, 0, { row = row, col = col }, "utf-16")
_G.suggestion = suggestion
local place = suggestion:place(row, col)
if place then require("lacuna.ghost").draw(0, place) end
return place
"""
TAKE = """
local piece = ...
local cursor = vim.api.nvim_win_get_cursor(0)
local place = _G.suggestion:place(cursor[1] - 1, cursor[2])
local text = require("lacuna.text")
local cut = { word = text.first_word, line = text.first_line }
_G.suggestion:insert(place, cut[piece] and cut[piece](place.rest) or place.rest)
local left = _G.suggestion:place(vim.api.nvim_win_get_cursor(0)[1] - 1, vim.api.nvim_win_get_cursor(0)[2])
return left and left.rest or ""
"""
SCREEN = """
local rows = {}
vim.cmd("redraw")
for row = 1, ... do
  local cells = {}
  for column = 1, 40 do cells[column] = vim.fn.screenstring(row, column) end
  rows[row] = (table.concat(cells):gsub("%s+$", ""))
end
return rows
"""


@pytest.fixture(scope="module")
def plain(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim without a server."""
    options = {"cmd": SERVE, "settings": {"enabled": False}, "keys": {"accept": False}}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"ghost-{version}"), options)
    editor.rpc.ui_attach(60, 20, rgb=True)
    yield editor
    editor.close()


def show(editor: Neovim, text: str, insert: str, replaced: int = 0, before: int = 0) -> Any:
    """Show an item in a text: it replaces so many UTF-16 units right and left of the cursor."""
    editor.open(text, name="plain", is_attached=False)
    row, col = editor.cursor
    units = len(editor.line.encode()[:col].decode().encode("utf-16-le")) // 2
    span = {
        "start": {"line": row, "character": units - before},
        "end": {"line": row, "character": units + replaced},
    }
    return editor.lua(SHOW, {"insertText": insert, "range": span}, row, col)


def screen(editor: Neovim, rows: int) -> list[str]:
    return editor.lua(SCREEN, rows)


@pytest.mark.parametrize(
    ("text", "insert", "replaced", "shown", "taken"),
    [
        ("print(|)", "total)", 1, ["print(total)"], "print(total)|"),
        ("f(|)", "a), g(b)", 1, ["f(a), g(b)"], "f(a), g(b)|"),
        ("f(g(|))", "a), b)", 2, ["f(g(a), b)"], "f(g(a), b)|"),
        ("'😀' + | # sum", "str(total)", 0, ["'😀' + str(total) # sum"], "'😀' + str(total)| # sum"),
        ("if a|", ":\n    return", 0, ["if a:", "    return"], "if a:\n    return|"),
        ("f(|)", "\n    a,\n)", 1, ["f(", "    a,", ")"], "f(\n    a,\n)|"),
        ("f(|) + 1", "\n    a,\n", 0, ["f(", "    a,", ") + 1"], "f(\n    a,\n|) + 1"),
        ("\t|", "a\tb", 0, ["        a       b"], "\ta\tb|"),
    ],
)
def test_what_is_drawn_is_what_comes(
    plain: Neovim, text: str, insert: str, replaced: int, shown: list[str], taken: str
) -> None:
    assert show(plain, text, insert, replaced)
    plain.until(lambda: screen(plain, len(shown)) == shown, lambda: f"{shown}; there is {screen(plain, len(shown))}")
    plain.lua(TAKE, "all")
    plain.becomes(taken)


@pytest.mark.parametrize(
    ("text", "insert", "replaced", "pieces"),
    [
        ("print(|)", "str(x))", 1, ["print(str|)", "print(str(|)", "print(str(x|)", "print(str(x))|"]),
        ("a = |", "süß + größe", 0, ["a = süß|", "a = süß +|", "a = süß + größe|"]),
        ("a = |", "'🎂' + b", 0, ["a = '|", "a = '🎂|", "a = '🎂'|", "a = '🎂' +|"]),
        ("if a|", ":\n    b", 0, ["if a:|", "if a:\n    b|"]),
    ],
)
def test_words(plain: Neovim, text: str, insert: str, replaced: int, pieces: list[str]) -> None:
    assert show(plain, text, insert, replaced)
    for piece in pieces:
        plain.lua(TAKE, "word")
        plain.becomes(piece)


def test_lines(plain: Neovim) -> None:
    assert show(plain, "if a|", ":\n    b()\n    c()")
    for text in ("if a:|", "if a:\n    b()|", "if a:\n    b()\n    c()|"):
        plain.lua(TAKE, "line")
        plain.becomes(text)


def test_a_range_may_begin_before_the_cursor(plain: Neovim) -> None:
    assert show(plain, "'😀' + st|", "'😀' + str(total)", before=9)
    plain.until(lambda: screen(plain, 1) == ["'😀' + str(total)"], lambda: str(screen(plain, 1)))
    plain.lua(TAKE, "all")
    plain.becomes("'😀' + str(total)|")


@pytest.mark.parametrize(
    ("text", "insert", "replaced", "before"),
    [
        ("print(|) + 1", "total", 5, 0),  # replaces more than closers
        ("total = x|", "total = sum", 0, 9),  # says otherwise than what stands there
        ("total|", "total", 0, 5),  # is there already
    ],
)
def test_what_does_not_fit_is_not_shown(plain: Neovim, text: str, insert: str, replaced: int, before: int) -> None:
    assert show(plain, text, insert, replaced, before) is None
