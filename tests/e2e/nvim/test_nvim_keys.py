"""Keys of the user's own keep working: the plugin's act only where there is something to act on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from neovim import SERVE, Neovim, program

OPTIONS = {"cmd": SERVE, "settings": {"enabled": False}}

Start = Callable[..., Neovim]


@pytest.fixture
def start(version: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a Neovim whose user has done this before the plugin came."""
    started = []

    def begin(before: str = "", **options: object) -> Neovim:
        started.append(Neovim(program(version), tmp_path, OPTIONS | options, before))
        return started[-1]

    yield begin
    for editor in started:
        editor.close()


@pytest.mark.parametrize(
    "mapping",
    [
        'vim.cmd("inoremap <Tab> mapped")',
        'vim.keymap.set("i", "<Tab>", function() return "mapped" end, { expr = true })',
        'vim.keymap.set("i", "<Tab>", function() vim.api.nvim_paste("mapped", false, -1) end)',
        'vim.cmd("imap <Tab> <Plug>(other)"); vim.cmd("inoremap <Plug>(other) mapped")',
        "vim.cmd(\"inoremap <expr> <Tab> pumvisible() ? 'menu' : 'mapped'\")",
    ],
)
def test_tab_falls_through_to_the_users_mapping(start: Start, mapping: str) -> None:
    editor = start(mapping)
    editor.open("|", name="plain", is_attached=False)
    editor.keys("a<Tab>b")
    editor.becomes("amappedb|")
    editor.setup()  # a second time
    editor.keys("<Tab>")
    editor.becomes("amappedbmapped|")


@pytest.mark.parametrize("count", ["", "2"])
def test_tab_in_normal_mode_goes_on_in_the_jump_list(start: Start, count: str) -> None:
    editor = start()
    editor.open("|one\ntwo\nthree\nfour", name="plain", is_attached=False)
    editor.keys("<Esc>2G3G4G")
    editor.keys("<C-o><C-o>")
    editor.until(lambda: editor.cursor[0] == 1, lambda: f"back; {editor.cursor}")
    editor.keys(f"{count}<Tab>")
    row = 1 + int(count or "1")
    editor.until(lambda: editor.cursor[0] == row, lambda: f"row {row}; {editor.cursor}")


@pytest.mark.parametrize("key", ["<Tab>", "<C-i>"])
@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ('vim.cmd("nnoremap {} Amapped<Esc>")', "amappe|d"),
        ('vim.keymap.set("n", "{}", function() vim.cmd.normal(vim.v.count1 .. "Ab") end)', "abb|b"),
        ("vim.cmd(\"nnoremap <expr> {} 'Ab<Esc>'\")", "abb|b"),
    ],
)
def test_tab_in_normal_mode_falls_through_to_the_users_mapping(start: Start, mapping: str, text: str, key: str) -> None:
    editor = start(mapping.format(key))
    editor.open("|a", name="plain", is_attached=False)
    editor.keys("<Esc>" + ("" if "mapped" in mapping else "3") + "<Tab>")
    editor.becomes(text)


@pytest.mark.parametrize("times", [1, 2])
def test_escape_in_normal_mode_falls_through(start: Start, times: int) -> None:
    editor = start('vim.cmd("nnoremap <Esc> <Cmd>nohlsearch<CR><Esc>")')
    for _ in range(times - 1):
        editor.setup()
    editor.open("|a b a", name="plain", is_attached=False)
    editor.keys("<Esc>/b<CR>")
    editor.until(lambda: editor.lua("return vim.v.hlsearch") == 1, "something is searched for")
    editor.keys("<Esc>")
    editor.until(lambda: editor.lua("return vim.v.hlsearch") == 0, "the user's own mapping")
    assert editor.lua("return vim.api.nvim_get_mode().mode") == "n"


def test_keys_of_normal_mode_are_given_back(start: Start) -> None:
    editor = start('vim.cmd("nnoremap <C-i> Amapped<Esc>")')
    editor.setup(keys={"next_edit": False, "dismiss_edit": False})
    editor.open("|a", name="plain", is_attached=False)
    editor.keys("<Esc><Tab>")
    editor.becomes("amappe|d")
    assert editor.lua("return vim.fn.maparg('<Esc>', 'n')") == ""


def test_asking_falls_through_where_lacuna_is_off(start: Start) -> None:
    editor = start('vim.cmd("inoremap <M-Bslash> mapped")')
    editor.open("|")
    editor.keys("a<M-Bslash>b")
    editor.becomes("amappedb|")


def test_tab_falls_through_to_an_indent(start: Start) -> None:
    editor = start()
    editor.open("|", name="plain", is_attached=False)
    editor.rpc.command("setlocal expandtab shiftwidth=4 softtabstop=4")
    editor.keys("<Tab>a")
    editor.becomes("    a|")


def test_tab_jumps_in_a_snippet(start: Start) -> None:
    editor = start()
    editor.open("|", name="plain", is_attached=False)
    editor.lua("vim.snippet.expand('call($1, $2)')")
    editor.keys("a<Tab>b")
    editor.becomes("call(a, b|)")


def test_tab_goes_through_the_menu(start: Start) -> None:
    editor = start("vim.cmd(\"inoremap <expr> <Tab> pumvisible() ? '<C-n>' : '<Tab>'\")")
    editor.open("|", name="plain", is_attached=False)
    editor.rpc.command("inoremap <buffer> <F5> <Cmd>call complete(col('.'), ['alpha', 'beta'])<CR>")
    editor.keys("<F5>")
    editor.until(lambda: editor.lua("return vim.fn.pumvisible()") == 1, "the menu")
    editor.keys("<Tab><C-y>")
    editor.becomes("beta|")


def test_keys_can_be_others_or_none(start: Start) -> None:
    editor = start(keys={"accept": "<C-y>", "accept_word": False})
    assert editor.lua("return vim.fn.maparg('<C-y>', 'i', false, true).desc") == "Lacuna: accept"
    assert "Lacuna" not in editor.lua("return vim.fn.maparg('<Tab>', 'i', false, true).desc or ''")
    assert editor.lua("return vim.fn.maparg('<M-Right>', 'i')") == ""
    editor.setup(keys={"accept": "<Tab>"})
    assert "Lacuna" not in editor.lua("return vim.fn.maparg('<C-y>', 'i', false, true).desc or ''")


def test_a_mapping_that_wraps_ours_does_not_call_itself(start: Start) -> None:
    """As nvim-cmp does: it takes the mapping that is there, and calls it where it has nothing to do."""
    editor = start()
    editor.lua(
        """
        local ours = vim.fn.maparg("<Tab>", "i", false, true).callback
        vim.keymap.set("i", "<Tab>", function() ours() end)
        """
    )
    editor.setup()
    editor.open("|", name="plain", is_attached=False)
    editor.rpc.command("setlocal expandtab shiftwidth=4 softtabstop=4")
    editor.keys("<Tab>a")
    editor.becomes("    a|")


def test_unknown_and_wrong_options_are_named(start: Start) -> None:
    editor = start(wait_milliseconds=3, kyes={}, keys={"acept": "<Tab>"}, auto="yes", settings={"confidnce": 1})
    said = "\n".join(editor.notified)
    assert 'unknown option "kyes", did you mean "keys"?' in said
    assert 'unknown option "keys.acept", did you mean "keys.accept"?' in said
    assert 'unknown option "settings.confidnce", did you mean "settings.confidence"?' in said
    assert 'unknown option "wait_milliseconds"' in said
    assert 'option "auto" must be true or false, not "yes"' in said
    assert editor.lua("return require('lacuna.config').options.auto") is True


def test_a_missing_model_is_said_once_and_swallows_no_key(start: Start) -> None:
    editor = start(settings={"model": "nobody/nothing"})
    editor.open("|")
    editor.until(lambda: editor.notified, "a message")
    editor.keys("hello")
    editor.becomes("hello|")
    question = "Lacuna: the model nobody/nothing is not on this machine yet. Pull it? `:Lacuna pull` does."
    assert editor.notified == [question]


def test_a_server_that_is_not_there_is_said_once(start: Start) -> None:
    editor = start(cmd=["/nowhere/lacuna", "serve"])
    editor.open("|", is_attached=False)
    editor.open("|", is_attached=False)
    editor.until(lambda: editor.notified, "a message")
    assert editor.notified == ['Lacuna: the option `cmd` names "/nowhere/lacuna", which cannot be run']
    assert editor.status["state"] == "error"


@pytest.mark.parametrize("by_command", [True, False])
def test_a_server_that_is_there_later_is_started(start: Start, tmp_path: Path, by_command: bool) -> None:
    later = tmp_path / "lacuna"
    editor = start(cmd=[str(later)])
    editor.open("|", is_attached=False)
    editor.until(lambda: editor.notified, "a message")
    later.write_text(f"#!/bin/sh\nexec {shlex.join(SERVE)}\n", encoding="utf-8")
    later.chmod(0o755)
    if by_command:
        editor.rpc.command("Lacuna restart")
    else:
        editor.setup()
    editor.until(lambda: editor.lua("return require('lacuna.client').of(0) ~= nil"), "the server is attached")
