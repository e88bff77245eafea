"""`:Lacuna rewrite`: what is sent, and that the difference is seen before anything is edited. No model is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from neovim import SERVE, Neovim, program
from test_nvim_commands import lines_of

TEXT = "def half(x):\n    return x / 2\nprint('😀', half(4))"
# What the server answers to a client that understands versions and annotations, and to one that does not.
ANSWERED = """
local new, is_annotated = ...
local rewrite, buf = require("lacuna.rewrite"), vim.api.nvim_get_current_buf()
local uri = vim.uri_from_bufnr(buf)
local range = { start = { line = 1, character = 0 }, ["end"] = { line = 1, character = 16 } }
local edit = { range = range, newText = new, annotationId = is_annotated and "lacuna" or nil }
local documents = { { textDocument = { uri = uri, version = 0 }, edits = { edit } } }
local answer = is_annotated and { documentChanges = documents } or { changes = { [uri] = { edit } } }
local wish = { buf = buf, version = require("lacuna.client").version(buf), server = { offset_encoding = "utf-16" } }
if _G.types_on then vim.api.nvim_buf_set_lines(buf, 0, 0, false, { "# more" }) end
rewrite._answered(wish, "round down", nil, answer)
"""
HEAD = "# round down: <CR> makes these changes, q leaves the text as it is"


@pytest.fixture(scope="module")
def switched_off(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim with a server that has no model to load."""
    options = {"cmd": SERVE, "settings": {"enabled": False}}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"rewrite-{version}"), options)
    yield editor
    editor.close()


@pytest.fixture
def plain(switched_off: Neovim) -> Neovim:
    switched_off.lua("_G.notified, _G.types_on = nil, nil")
    switched_off.visit("|" + TEXT, "half.py")
    return switched_off


def answered(editor: Neovim, new: str = "    return x // 2", *, is_annotated: bool = True) -> None:
    editor.lua(ANSWERED, new, is_annotated)


@pytest.mark.parametrize("is_annotated", [True, False])
def test_the_difference_is_shown_and_made_by_a_key(plain: Neovim, is_annotated: bool) -> None:
    answered(plain, is_annotated=is_annotated)
    shown = lines_of(plain, "rewrite")
    assert shown[0] == HEAD
    assert shown[-4:] == [" def half(x):", "-    return x / 2", "+    return x // 2", " print('😀', half(4))"]
    plain.keys("<CR>")
    plain.until(lambda: plain.rpc.current.buffer.name.endswith("half.py"), "the difference is closed")
    assert plain.rpc.current.buffer[1] == "    return x // 2"
    plain.keys("u")
    plain.until(lambda: "\n".join(plain.rpc.current.buffer[:]) == TEXT, lambda: plain.text)
    assert plain.notified == []


def test_it_is_left_as_it_is_by_another_key(plain: Neovim) -> None:
    answered(plain)
    plain.keys("q")
    plain.until(lambda: lines_of(plain, "rewrite") == [], "the difference is closed")
    assert "\n".join(plain.rpc.current.buffer[:]) == TEXT


def test_a_text_that_moved_on_is_not_edited(plain: Neovim) -> None:
    plain.lua("_G.types_on = true")
    answered(plain)
    assert lines_of(plain, "rewrite") == []
    plain.lua("_G.types_on = nil")
    plain.rpc.current.buffer[:] = TEXT.split("\n")
    answered(plain)
    plain.lua("vim.api.nvim_buf_set_lines(vim.fn.bufnr('half.py'), -1, -1, false, { '# more' })")
    plain.keys("<CR>")
    plain.until(lambda: len(plain.notified) == 2, lambda: str(plain.notified))
    assert plain.notified == ["Lacuna: the text has changed meanwhile: nothing was edited"] * 2
    assert plain.rpc.current.buffer[1] == "    return x / 2"


def test_nothing_to_change_is_said(plain: Neovim) -> None:
    answered(plain, "    return x / 2")
    assert plain.notified == ["Lacuna: the model leaves the code as it is"]


@pytest.mark.parametrize(
    ("keys", "start", "end"),
    [
        ("2G", (1, 0), (1, 16)),
        ("2Gv", (1, 0), (1, 1)),
        ("Gf'vf'", (2, 6), (2, 10)),
        ("Gf'lv", (2, 7), (2, 9)),
        ("Gf(v$", (2, 5), (2, 20)),
        ("Vj", (0, 0), (1, 16)),
        ("GVgg", (0, 0), (2, 20)),
        ("jl<C-v>j", (1, 0), (2, 20)),
    ],
)
def test_what_is_selected(plain: Neovim, keys: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    """As the server counts it in UTF-16, by the function in the mode and by the command with its lines."""
    expected = {side: {"line": at[0], "character": at[1]} for side, at in (("start", start), ("end", end))}
    plain.keys("<Esc>gg0" + keys)
    assert selected(plain, "rewrite.selection()") == expected
    assert plain.lua("return vim.api.nvim_get_mode().mode") == "n"
    plain.keys("gv" if keys != "2G" else "")
    lines = "nil" if keys == "2G" else '{ first = vim.fn.line("\'<"), last = vim.fn.line("\'>") }'
    plain.keys("<Esc>")
    assert selected(plain, f"rewrite.lines({lines})") == expected


def test_lines_that_are_not_those_of_the_selection(plain: Neovim) -> None:
    plain.keys("<Esc>ggv<Esc>")
    assert selected(plain, "rewrite.lines({ first = 1, last = 2 })")["end"] == {"line": 1, "character": 16}


def selected(editor: Neovim, call: str) -> Any:
    code = f"local rewrite = require('lacuna.rewrite'); return rewrite._range(0, {call}, 'utf-16')"
    return editor.lua(code)


def test_a_server_that_is_switched_off_says_so(plain: Neovim) -> None:
    plain.rpc.command("2Lacuna rewrite round down")
    plain.until(lambda: plain.notified, "the server's message")
    assert plain.notified == ["Lacuna: this document is not open, or Lacuna is to leave it alone"]


def test_without_a_server_that_is_said(plain: Neovim) -> None:
    plain.rpc.command("enew!")
    plain.rpc.command("Lacuna rewrite round down")
    assert plain.notified == ["Lacuna: no server is attached to this buffer; see :Lacuna status"]


def test_an_empty_instruction_asks_nothing(plain: Neovim) -> None:
    plain.keys(":Lacuna rewrite<CR> <CR>")
    plain.keys(":Lacuna rewrite<CR><Esc>")
    assert plain.notified == []


def test_only_a_rewrite_takes_lines(plain: Neovim) -> None:
    plain.rpc.command("1,2Lacuna status")
    assert plain.notified == ["Lacuna: :Lacuna status takes no lines"]
