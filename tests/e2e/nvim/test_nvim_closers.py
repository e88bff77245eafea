"""Suggestions that reach behind the cursor, over what the editor has closed by itself: drawn, taken, taken in part."""

from __future__ import annotations

import pytest
from neovim import Neovim

ANSWER = """
local text, behind = ...
local inline, client = require("lacuna.inline").of(), require("lacuna.client")
local row, col = vim.api.nvim_win_get_cursor(0)[1] - 1, vim.api.nvim_win_get_cursor(0)[2]
local range = { start = { line = row, character = col }, ["end"] = { line = row, character = col + behind } }
local asked = { tick = inline:tick(), row = row, col = col, trigger = "invoked", go_on = 0 }
inline:answered(client.of(0), asked, { items = { { insertText = text, range = range } } })
"""


@pytest.mark.parametrize(
    ("text", "suggested", "behind", "ghost", "taken"),
    [
        ("f(|)", "x)", 1, "x", "f(x)|"),
        ("f('|')", "a')", 2, "a", "f('a')|"),
        ("argv: list[|]", "str] = []", 1, "str = []", "argv: list[str] = []|"),
        ("f([|])  # c", "1, 2])", 2, "1, 2", "f([1, 2])|  # c"),
        ("f(|))", "g(x))", 1, "g(x)", "f(g(x))|)"),
        ("f(|)", "\n    x,\n)", 1, "\n    x,\n)", "f(\n    x,\n)|"),
        ("f(|)  # c", "x", 0, "x", "f(x|)  # c"),
    ],
)
def test_what_is_drawn_is_taken(editor: Neovim, text: str, suggested: str, behind: int, ghost: str, taken: str) -> None:
    editor.setup(auto=False)
    editor.open(text)
    editor.lua(ANSWER, suggested, behind)
    assert editor.ghost.replace(" \n", "\n") == ghost
    editor.keys("<Tab>")
    editor.becomes(taken)
    assert editor.ghost == ""


def test_word_by_word_the_closer_is_left_until_it_is_reached(editor: Neovim) -> None:
    editor.setup(auto=False)
    editor.open("f(|)")
    editor.lua(ANSWER, "a, b)", 1)
    for text, ghost in (("f(a|)", ", b"), ("f(a,|)", " b"), ("f(a, b|)", "")):
        editor.keys("<M-Right>")
        editor.becomes(text)
        assert editor.ghost == ghost
    editor.keys("<Tab>")
    editor.becomes("f(a, b)|")
