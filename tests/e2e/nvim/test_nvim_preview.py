"""How edits of every shape are drawn and made: what is drawn is what comes. No server is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from neovim import SERVE, Neovim, program
from test_nvim_drawing import screen

DRAW = """
local lines, range, new = ...
vim.cmd("stopinsert")
vim.cmd("enew!")
vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
local first, second = { line = range[1], character = range[2] }, { line = range[3], character = range[4] }
_G.edit = require("lacuna.edit").new(vim.api.nvim_get_current_buf(), { start = first, ["end"] = second }, new, "utf-16")
if _G.edit then require("lacuna.preview").draw(_G.edit) end
return _G.edit ~= nil
"""
TAB = " " * 8


@pytest.fixture(scope="module")
def plain(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim without a server."""
    options = {"cmd": SERVE, "settings": {"enabled": False}}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"preview-{version}"), options)
    editor.rpc.ui_attach(60, 20, rgb=True)
    yield editor
    editor.close()


@pytest.mark.parametrize(
    ("text", "replaced", "new", "drawn", "shown", "made"),
    [
        ("f(old, x)", (0, 2, 0, 8), "new, x", ["-old", "+new"], "f(oldnew, x)", "f(new, x)"),
        ("f(older)", (0, 2, 0, 7), "olden", ["-older", "+olden"], "f(olderolden)", "f(olden)"),
        ("f(größe)", (0, 2, 0, 7), "größer", ["-größe", "+größer"], "f(größegrößer)", "f(größer)"),
        ("'😀' + a # 🎂", (0, 7, 0, 8), "b", ["-a", "+b"], "'😀' + ab # 🎂", "'😀' + b # 🎂"),
        ("'😀' + a", (0, 0, 0, 8), "'🎂' + a", ["-😀", "+🎂"], "'😀🎂' + a", "'🎂' + a"),
        ("f(a)", (0, 3, 0, 3), ", b", ["+, b"], "f(a, b)", "f(a, b)"),
        ("f(a, b)", (0, 3, 0, 6), "", ["-, b"], "f(a, b)", "f(a)"),
        ("\tx", (0, 1, 0, 2), "y\tz", ["-x", "+y      z"], "        xy      z", "\ty\tz"),
        ("if a:\n b\nc", (1, 1, 1, 2), "b()\n d", ["-b", "+ b()", "+ d"], "if a:\n b\n b()\n d\nc",
         "if a:\n b()\n d\nc"),
        ("\ta(b)", (0, 3, 0, 4), "\n\tc", ["-a(b)", f"+{TAB}a(", f"+{TAB}c)"],
         f"{TAB}a(b)\n{TAB}a(\n{TAB}c)", "\ta(\n\tc)"),
        ("a\nb\nc", (1, 0, 2, 0), "", ["-b\n"], "a\nb\nc", "a\nc"),
        ("a\nb\nc", (0, 1, 1, 1), "", ["-\nb"], "a\nb\nc", "a\nc"),
        ("a\nc", (1, 0, 1, 0), "b\n", ["+b"], "a\nb\nc", "a\nb\nc"),
        ("a\nc", (0, 1, 0, 1), "\nb", ["+b"], "a\nb\nc", "a\nb\nc"),
        ("a\nc", (0, 1, 0, 1), "\r\nb", ["+b"], "a\nb\nc", "a\nb\nc"),
        ("a", (1, 0, 1, 0), "b\n", ["+b"], "a\nb", "a\nb"),
        ("a\nb", (0, 0, 2, 0), "x\ny\n", ["-a", "-b", "+x", "+y"], "a\nb\nx\ny", "x\ny"),
        ("a:\n  b\n  c", (1, 2, 2, 3), "x", ["-b", "-c", "+  x"], "a:\n  b\n  c\n  x", "a:\n  x"),
        ("a:\n  b", (1, 2, 1, 2), "if c:\n    d\n  ", ["+  if c:", "+    d"], "a:\n  if c:\n    d\n  b",
         "a:\n  if c:\n    d\n  b"),
        ("f = o()\nx = f\nf.end()", (0, 0, 1, 0), "with o() as f:\n  ",
         ["-f = o()", "-x = f", "+with o() as f:", "+  x = f"],
         "f = o()\nx = f\nwith o() as f:\n  x = f\nf.end()", "with o() as f:\n  x = f\nf.end()"),
        ("a\nb", (1, 0, 2, 0), "", ["-b"], "a\nb", "a\n"),
    ],
)  # fmt: skip
def test_what_is_drawn_is_what_comes(
    plain: Neovim, text: str, replaced: tuple[int, ...], new: str, drawn: list[str], shown: str, made: str
) -> None:
    assert plain.lua(DRAW, text.split("\n"), list(replaced), new)
    assert plain.preview == drawn
    lines = shown.split("\n")
    plain.until(lambda: screen(plain, len(lines)) == lines, lambda: f"{lines}; there is {screen(plain, len(lines))}")
    assert plain.lua("return _G.edit:result()") == made.split("\n")
    plain.lua("_G.edit:apply()")
    assert "\n".join(plain.rpc.current.buffer[:]) == made


@pytest.mark.parametrize(
    ("option", "drawn"), [("wrap", ["+" + "a" * 59, "+値b"]), ("nowrap", ["+" + "a" * 59 + "値b"])]
)
def test_a_long_line_takes_as_many_rows_as_it_will(plain: Neovim, option: str, drawn: list[str]) -> None:
    plain.rpc.command(f"set {option}")
    assert plain.lua(DRAW, ["x"], [0, 1, 0, 1], "\n" + "a" * 59 + "値b")
    assert plain.preview == drawn
    plain.rpc.command("set wrap")
    plain.lua("require('lacuna.preview').clear()")


def test_what_changes_nothing_is_no_edit(plain: Neovim) -> None:
    assert not plain.lua(DRAW, ["f(a)"], [0, 2, 0, 3], "a")


def test_an_edit_of_another_text_is_not_made(plain: Neovim) -> None:
    plain.lua(DRAW, ["f(a)", "b"], [0, 2, 0, 3], "c")
    assert plain.lua("return _G.edit:is_current()")
    plain.rpc.current.buffer[0] = "f(d)"
    assert not plain.lua("return _G.edit:is_current()")
    plain.rpc.current.buffer[:] = []
    assert not plain.lua("return _G.edit:is_current()")
    plain.rpc.command("bwipeout!")
    assert not plain.lua("return _G.edit:is_current()")
    plain.lua("require('lacuna.preview').clear()")
