"""With Neovim's own inline completion (0.12 and newer): by the option `native`, and beside the plugin's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from neovim import Neovim

pytestmark = pytest.mark.parametrize("version", ["0.12"], indirect=True)


@pytest.fixture
def native(editor: Neovim) -> Iterator[Neovim]:
    editor.setup(native=True)
    yield editor
    editor.setup()


def shows_natively(editor: Neovim, ghost: str) -> None:
    editor.until(lambda: editor.native_ghost == ghost, lambda: f"{ghost!r}; there is {editor.native_ghost!r}")


def test_neovim_shows_it_and_tab_takes_it(native: Neovim) -> None:
    native.open("|")
    native.keys("total = ")
    shows_natively(native, "sum(prices)")
    assert native.ghost == ""
    native.keys("<Tab>")
    native.becomes("total = sum(prices)|")


def test_words_of_it(native: Neovim) -> None:
    native.open("|")
    native.keys("total = ")
    shows_natively(native, "sum(prices)")
    native.keys("<M-Right>")
    native.becomes("total = sum|")
    shows_natively(native, "(prices)")


def test_no_letter_twice_when_keys_come_fast(native: Neovim) -> None:
    native.open("|")
    native.keys("total = ")
    shows_natively(native, "sum(prices)")
    native.keys("su<Tab>")
    native.becomes("total = sum(prices)|")


def test_it_is_shown_once_where_the_user_has_neovim_show_all(editor: Neovim) -> None:
    editor.lua("vim.lsp.inline_completion.enable(true)")
    editor.open("|")
    editor.keys("total = ")
    editor.shows("sum(prices)")
    editor.goes_on_showing("sum(prices)")
    assert editor.native_ghost == ""
    editor.lua("vim.lsp.inline_completion.enable(false)")
