"""`:Lacuna` and what it shows, in the real Neovims, with the real server."""

from __future__ import annotations

import shutil
from pathlib import Path

from neovim import PLUGIN, Neovim


def lines_of(editor: Neovim, name: str) -> list[str]:
    """What one of the plugin's windows holds."""
    return editor.lua(
        """
        local buf = vim.fn.bufnr("^lacuna://" .. ... .. "$")
        return buf == -1 and {} or vim.api.nvim_buf_get_lines(buf, 0, -1, false)
        """,
        name,
    )


def test_watching_noise_settle_into_code(editor: Neovim) -> None:
    editor.setup(watch={"step_ms": 1})
    editor.open("|")
    editor.rpc.command("Lacuna watch")
    assert lines_of(editor, "watch") == ["Waiting for a request: type, or ask for a suggestion."]
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.until(lambda: lines_of(editor, "watch")[0].endswith(", done"), lambda: str(lines_of(editor, "watch")))
    head, line, _, *steps = lines_of(editor, "watch")
    assert head.startswith("request ")
    assert line == "total = sum(prices)"
    assert steps
    assert all(step.startswith(f"{number:3}  ") for number, step in enumerate(steps, 1))
    editor.rpc.command("Lacuna watch")
    assert lines_of(editor, "watch") == []
    editor.keys("<C-u>total = m")
    editor.shows("ax(prices)")


def test_noise_is_drawn_as_noise(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("Lacuna watch split")
    cells = [{"text": "su", "accepted": False}, {"text": "m(", "accepted": True}, {"text": None, "accepted": False}]
    frame = {"request": 7, "step": 2, "cells": cells, "done": False, "before": "total = ", "after": ")"}
    editor.lua("require('lacuna.watch').add(...)", frame)
    editor.until(lambda: lines_of(editor, "watch")[0] == "request 7, step 2", "the frame")
    line = lines_of(editor, "watch")[1]
    assert line[:12] == "total = sum("
    assert line[12] in "░▒▓"
    assert line[13:] == ")"
    highlights = editor.lua(
        """
        local buf = vim.fn.bufnr("^lacuna://watch$")
        local namespace = vim.api.nvim_get_namespaces()["lacuna.watch"]
        local marks = vim.api.nvim_buf_get_extmarks(buf, namespace, { 1, 0 }, { 1, -1 }, { details = true })
        return vim.tbl_map(function(mark) return mark[4].hl_group end, marks)
        """
    )
    assert highlights == ["LacunaDecided", "LacunaAccepted", "LacunaNoise"]
    editor.rpc.command("Lacuna watch")


def test_pull_says_where_the_model_is(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("Lacuna pull smollm2-135m")
    editor.until(
        lambda: "Lacuna: smollm2-135m is in /" in editor.rpc.command_output("messages"),
        lambda: editor.rpc.command_output("messages"),
    )


def test_an_unknown_model_is_an_error_that_says_so(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("Lacuna pull no-such-model")
    editor.until(lambda: any("no-such-model" in message for message in editor.notified), lambda: str(editor.notified))


def test_stats_doctor_and_log(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("stopinsert")
    for name, word in (("stats", "This session"), ("doctor", "torch"), ("log", "starting ")):
        editor.rpc.command(f"Lacuna {name}")
        editor.until(
            lambda name=name, word=word: word in "\n".join(lines_of(editor, name)),  # type: ignore[misc]
            lambda name=name: str(lines_of(editor, name)),  # type: ignore[misc]
        )
        editor.rpc.command("close")


def test_a_report_takes_the_focus_once_and_is_not_opened_again(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("stopinsert")
    file = editor.rpc.current.buffer.name
    editor.rpc.command("Lacuna stats")
    assert editor.rpc.current.buffer.name.endswith("lacuna://stats")
    editor.rpc.command("wincmd p")
    editor.until(lambda: "This session" in lines_of(editor, "stats"), lambda: str(lines_of(editor, "stats")))
    assert editor.rpc.current.buffer.name == file
    editor.rpc.command("wincmd p")
    editor.rpc.command("close")
    editor.lua("require('lacuna.program').show('stats', {}, function(done) done({ 'more' }); _G.is_done = true end)")
    editor.rpc.command("close")
    editor.until(lambda: editor.lua("return _G.is_done"), "the report")
    assert lines_of(editor, "stats") == []
    assert editor.rpc.current.buffer.name == file


def test_the_doctor_is_told_of_the_model_that_is_set(editor: Neovim) -> None:
    command = "return table.concat(require('lacuna.command')._model_arguments(), ' ')"
    assert "--adapter" not in editor.lua(command)
    editor.lua("require('lacuna.config').options.settings.adapter = 'mine'")
    assert editor.lua(command).endswith(" --device cpu --dtype float32 --threads 1 --adapter mine")


def test_status(editor: Neovim) -> None:
    editor.open("|")
    assert editor.rpc.command_output("Lacuna").startswith("Lacuna: ready")
    assert editor.lua("return require('lacuna').statusline()") == "lacuna"
    editor.rpc.command("Lacuna disable buffer")
    assert editor.rpc.command_output("Lacuna status").endswith("(switched off in this buffer)")


def test_completion_of_the_command(editor: Neovim) -> None:
    def completions(line: str) -> list[str]:
        return editor.lua("return vim.fn.getcompletion(..., 'cmdline')", line)

    editor.open("|")
    assert completions("Lacuna ") == sorted(completions("Lacuna "))
    assert len(completions("Lacuna ")) == 13
    assert completions("2,3Lacuna re") == ["restart", "rewrite"]
    assert completions("Lacuna st") == ["stats", "status"]
    assert completions("Lacuna watch ") == ["float", "split"]
    assert completions("Lacuna toggle b") == ["buffer"]
    assert "smollm2-135m" in completions("Lacuna pull ")


def test_an_unknown_subcommand_is_named(editor: Neovim) -> None:
    editor.rpc.command("Lacuna togle")
    assert editor.notified[-1].startswith("Lacuna: there is no :Lacuna togle, but disable, dismiss, doctor, ")


def test_checkhealth_finds_nothing_wrong(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("stopinsert")
    editor.rpc.command("checkhealth lacuna")
    report = "\n".join(editor.rpc.current.buffer[:])
    assert "found by the option `cmd`" in report
    assert "running, ready" in report
    assert "<Tab>: accept" in report
    assert "<Tab>: next edit" in report
    assert "<Esc>: dismiss edit" in report
    assert "ERROR" not in report and "WARNING" not in report, report
    editor.rpc.command("close")


def test_help_is_there(editor: Neovim) -> None:
    editor.rpc.command("stopinsert")
    editor.rpc.command("help lacuna-option-keys.accept")
    assert editor.line.startswith("keys.accept")
    editor.rpc.command("close")


def test_its_tags_are_those_that_neovim_makes(editor: Neovim, tmp_path: Path) -> None:
    shutil.copy(PLUGIN / "doc" / "lacuna.txt", tmp_path)
    editor.rpc.command(f"helptags {tmp_path}")
    assert (tmp_path / "tags").read_text(encoding="utf-8") == (PLUGIN / "doc" / "tags").read_text(encoding="utf-8")
