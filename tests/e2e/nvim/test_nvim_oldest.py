"""The oldest Neovim that the plugin works in: it has no vim.lsp.config, and its clients are called otherwise."""

from __future__ import annotations

import os
import signal

import pytest
from neovim import Neovim
from setup_nvim import OLDEST
from test_nvim_next_edit import TOTAL, line, rename

pytestmark = pytest.mark.parametrize("version", [OLDEST], indirect=True)


def test_ghost_text_words_and_tab(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<M-Right>")
    editor.shows("(prices)")
    editor.keys("<Tab>")
    editor.becomes("total = sum(prices)|")
    editor.keys("<Tab>x")
    editor.until(lambda: editor.line.endswith(" x"), "an indent")


def test_a_killed_server_is_restarted(editor: Neovim) -> None:
    editor.open("|")
    os.kill(editor.server_process(), signal.SIGKILL)
    editor.until(lambda: editor.status["state"] != "ready", "the end was noticed")
    editor.until_ready()
    editor.keys("total = ")
    editor.shows("sum(prices)")


def test_next_edits(renamer: Neovim) -> None:
    renamer.visit("|assert total([1, 2]) == 3\n", "calls.py")
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.keys("<Tab>")
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(file)", lambda: renamer.text)
    renamer.keys("u")
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(handle)", lambda: renamer.text)
    rename(renamer, TOTAL, "sum_of", "code.py")
    renamer.until(lambda: renamer.preview, "a hint")
    assert renamer.preview[0].endswith("calls.py:1")
    renamer.keys("<Tab>")
    renamer.previews("-total", "+sum_of")
    renamer.keys("<Esc>")
    renamer.previews()
    assert renamer.line == "assert total([1, 2]) == 3"


def test_an_instruction_needs_a_model_that_follows_it(renamer: Neovim) -> None:
    renamer.keys("aa = 1<Esc>V:Lacuna rewrite add one<CR>")
    renamer.until(lambda: renamer.notified, "the server's message")
    assert "follows no instructions" in renamer.notified[0]


def test_settings_and_health(editor: Neovim) -> None:
    editor.setup(settings={"confidence": 1.0})
    editor.open("|")
    editor.keys("total = ")
    editor.shows_nothing()
    editor.rpc.command("stopinsert")
    editor.rpc.command("checkhealth lacuna")
    report = "\n".join(editor.rpc.current.buffer[:])
    assert "running, ready" in report
    assert "ERROR" not in report, report
