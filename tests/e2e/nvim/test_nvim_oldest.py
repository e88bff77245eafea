"""The oldest Neovim that the plugin works in: it has no vim.lsp.config, and its clients are called otherwise."""

from __future__ import annotations

import os
import signal

import pytest
from neovim import Neovim
from setup_nvim import OLDEST

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
