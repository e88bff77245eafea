"""What a user does with ghost text, in the real Neovims, with the real server."""

from __future__ import annotations

import os
import signal

import pytest
from neovim import Neovim


def test_ghost_text_appears_and_tab_inserts_exactly_it(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    assert editor.text == "total = |", "ghost text is not in the text"
    editor.keys("<Tab>")
    editor.becomes("total = sum(prices)|")
    assert editor.ghost == ""
    editor.keys("<Esc>u")
    editor.until(lambda: editor.line == "total = ", lambda: f"undone the suggestion alone; {editor.line!r}")


def test_it_comes_by_itself_where_insert_mode_begins(editor: Neovim) -> None:
    """Without a typed letter, at a place where the cursor was for a while already."""
    editor.open("prices = [3, 5, 8]\ntotal = sum(prices)\nprint(|)")
    editor.keys("<Esc>")
    editor.until(lambda: editor.lua("return vim.api.nvim_get_mode().mode") == "n", "Normal mode")
    editor.keys("l")
    editor.becomes("prices = [3, 5, 8]\ntotal = sum(prices)\nprint(|)")
    editor.shows_nothing()
    editor.keys("i")
    editor.shows("total")


def test_taking_it_leaves_the_global_undolevels(editor: Neovim) -> None:
    editor.open("|")
    before = editor.lua("return vim.go.undolevels")
    editor.rpc.command("setlocal undolevels=7")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<Tab>")
    editor.becomes("total = sum(prices)|")
    assert editor.lua("return { vim.go.undolevels, vim.bo.undolevels }") == [before, 7]


def test_what_was_accepted_is_counted(editor: Neovim) -> None:
    editor.open("|")
    before = editor.statistics()["accepted"]
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<Tab>")
    editor.until(lambda: editor.statistics()["accepted"] == before + 1, "one more accepted suggestion")


def test_word_by_word(editor: Neovim) -> None:
    editor.open("def mean(values):\n    |")
    editor.keys("return ")
    editor.shows("sum(values) / len(values)")
    for text, rest in (
        ("sum", "(values) / len(values)"),
        ("sum(", "values) / len(values)"),
        ("sum(values", ") / len(values)"),
        ("sum(values)", " / len(values)"),
        ("sum(values) /", " len(values)"),
    ):
        editor.keys("<M-Right>")
        editor.until(lambda text=text: editor.line == f"    return {text}", f"the word after {text!r}")  # type: ignore[misc]
        editor.shows(rest)
    editor.keys("<Tab>")
    editor.becomes("def mean(values):\n    return sum(values) / len(values)|")


def test_words_faster_than_neovim_can_draw(editor: Neovim) -> None:
    editor.open("def mean(values):\n    |")
    editor.keys("return ")
    editor.shows("sum(values) / len(values)")
    editor.keys("<M-Right><M-Right><M-Right><Tab>")
    editor.becomes("def mean(values):\n    return sum(values) / len(values)|")


def test_up_to_the_end_of_the_line(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("for ")
    editor.shows("price in prices:")
    editor.keys("<M-C-Right>")
    editor.becomes("for price in prices:|")


def test_dismissed_until_the_text_changes(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<C-]>")
    editor.shows_nothing()
    editor.keys("s")
    editor.shows("um(prices)")


def test_escape_leaves_nothing_behind(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<Esc>")
    editor.shows_nothing()


def test_typing_along_keeps_it(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.lua("require('lacuna.config').options.auto = false")  # from here on, nobody asks the server
    for typed, rest in (("s", "um(prices)"), ("u", "m(prices)"), ("m(", "prices)")):
        editor.keys(typed)
        editor.shows(rest)
    editor.keys("<BS>")
    editor.shows("(prices)")


def test_typing_otherwise_replaces_it(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("m")
    editor.shows("ax(prices)")
    editor.keys("<Tab>")
    editor.becomes("total = max(prices)|")


@pytest.mark.parametrize(
    ("typed", "text"),
    [("s<Tab>", "total = sum(prices)|"), ("sum(<Tab>", "total = sum(prices)|"), ("x<Tab>", "total = x   |")],
)
def test_no_letter_twice_when_keys_come_fast(editor: Neovim, typed: str, text: str) -> None:
    """All keys are there before Neovim gets to draw: what is taken fits the text as it is then."""
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys(typed)
    editor.becomes(text)


def test_no_bracket_twice_after_auto_close(editor: Neovim) -> None:
    editor.open("prices = [3, 5, 8]\ntotal = sum(prices)\n|")
    editor.rpc.command("inoremap <buffer> ( ()<Left>")
    editor.keys("print(")
    editor.shows("total")
    assert editor.line == "print()"
    editor.keys("<Tab>")
    editor.until(lambda: editor.line == "print(total)", lambda: f"one bracket; {editor.line!r}")


def test_typing_along_with_auto_close_keeps_it(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("inoremap <buffer> ( ()<Left>")
    editor.keys("total = su")
    editor.shows("m(prices)")
    editor.keys("m(")
    editor.shows("prices")
    assert editor.text == "total = sum(|)"
    editor.keys("<Tab>")
    editor.becomes("total = sum(prices)|")


def test_emoji_before_the_cursor(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("cake = '🎂' + ")
    editor.shows("str(total)")
    editor.keys("<M-Right><Tab>")
    editor.becomes("cake = '🎂' + str(total)|")


def test_in_the_middle_of_a_line_the_rest_stays(editor: Neovim) -> None:
    editor.open("party = '🎉🎉'.| # with cake")
    editor.keys("<M-Bslash>")
    editor.until(lambda: editor.ghost != "", "a suggestion in mid-line")
    ghost = editor.ghost
    editor.keys("<Tab>")
    editor.until(
        lambda: editor.line == f"party = '🎉🎉'.{ghost} # with cake", lambda: f"{ghost!r} put in; {editor.line!r}"
    )


def test_settings_take_effect_without_a_restart(editor: Neovim) -> None:
    process = editor.server_process()
    editor.setup(settings={"confidence": 1.0})
    editor.open("|")
    editor.keys("total = ")
    editor.until(lambda: editor.statistics()["outcomes"].get("low_confidence", 0) > 0, lambda: str(editor.statistics()))
    assert editor.ghost == ""
    editor.setup()
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    assert editor.server_process() == process


def test_a_disabled_language_asks_nothing(editor: Neovim) -> None:
    editor.setup(settings={"disabled_languages": ["python"]})
    editor.open("|")
    before = editor.statistics()["outcomes"]
    editor.keys("total = ")
    editor.shows_nothing()
    assert editor.statistics()["outcomes"] == before


def test_a_buffer_can_be_switched_off(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("Lacuna disable buffer")
    editor.keys("total = ")
    editor.shows_nothing()
    assert editor.lua("return require('lacuna').statusline()") == "lacuna off"
    editor.rpc.command("Lacuna enable buffer")
    editor.shows("sum(prices)")


def test_off_and_on_again(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("Lacuna toggle")
    editor.until(lambda: editor.status["state"] == "off", "the server gave the model back")
    editor.keys("total = ")
    editor.shows_nothing()
    editor.rpc.command("Lacuna toggle")
    editor.shows("sum(prices)")  # who waits need not type on


def test_a_killed_server_is_restarted(editor: Neovim) -> None:
    editor.open("|")
    killed = editor.server_process()
    os.kill(killed, signal.SIGKILL)
    editor.until(lambda: editor.status["state"] != "ready", "the end was noticed")
    editor.until_ready()
    assert editor.server_process() != killed
    editor.keys("total = ")
    editor.shows("sum(prices)")


def test_restart(editor: Neovim) -> None:
    before = editor.server_process()
    editor.open("|")
    editor.rpc.command("Lacuna restart")
    editor.rpc.command("Lacuna restart")  # the second changes nothing
    editor.until(lambda: editor.status["state"] != "ready", "the end was noticed")
    editor.until_ready()
    assert editor.server_process() != before
    editor.keys("total = ")
    editor.shows("sum(prices)")


def test_two_files_share_a_server(editor: Neovim) -> None:
    editor.open("|", name="other/pyproject.toml")
    editor.open("|", name="other/module.py")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    assert editor.server_process()
    assert len(editor.lua("return vim.tbl_map(function(c) return c.id end, vim.lsp.get_clients())")) == 1


def test_the_next_of_several_suggestions(editor: Neovim) -> None:
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<M-]>")
    editor.until(lambda: "(2/" in editor.ghost, lambda: f"another suggestion; {editor.ghost!r}")
    other = editor.ghost.split("(2/")[0]
    assert other != "sum(prices)"
    editor.keys("<M-[>")
    editor.until(lambda: editor.ghost.startswith("sum(prices)(1/"), lambda: f"the first one; {editor.ghost!r}")


def test_the_menu_is_left_alone(editor: Neovim) -> None:
    editor.open("|")
    editor.rpc.command("inoremap <buffer> <F5> <Cmd>call complete(col('.'), ['alpha', 'beta'])<CR>")
    editor.rpc.command("inoremap <buffer> <Tab> <C-n>")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.keys("<F5>")
    editor.until(lambda: editor.lua("return vim.fn.pumvisible()") == 1, "the menu")
    editor.shows_nothing()
    editor.keys("<Tab><C-y>")
    editor.becomes("total = beta|")


def test_asking_for_it(editor: Neovim) -> None:
    editor.setup(auto=False)
    editor.open("|")
    editor.keys("total = ")
    editor.shows_nothing()
    editor.keys("<M-Bslash>")
    editor.shows("sum(prices)")
