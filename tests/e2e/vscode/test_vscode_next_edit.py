"""Next edits in VS Code, with the embedded model: shown, gone to, taken one after the other, dismissed, typed over."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from code_server import CodeServer
from setup_vscode import EXTENSION
from window import NextEdit, Window

# The lines below follow the name's first by several nats: to the base alone, whatever the adapter.
LOAD = """\
import json

with open('data.json') as handle|:
    data = json.load(handle)
    print(handle.name)
print(data)
"""
RENAMED = LOAD.replace("|", "").replace("as handle", "as file")
ONE_TAKEN = RENAMED.replace("(handle)", "(file)")
BOTH_TAKEN = ONE_TAKEN.replace("handle", "file")
AFAR = LOAD.replace("    data = json.load(handle)\n", "    data = 1\n" + "\n" * 39)
SHOP = """\
def total|(values):
    result = 0
    for value in values:
        result += value
    return result
"""
PROGRAM = '''\
from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float


def total(items: list[Item]) -> float:
    """The worth of all items."""
    result| = 0.0
    for item in items:
        result += item.price
    return result


def report(items: list[Item]) -> str:
    """What a customer is told."""
    return f"{len(items)} items, {total(items):.2f} in all"
'''
PICTURE = EXTENSION / "images" / "next-edit.png"
EMBEDDED = {"model": "smollm2-135m", "confidence": 1.0}  # and no ghost text that nobody asked for
HERE = NextEdit("handle", "file", "⇥ Tab")
NOTHING = NextEdit()
SEARCH = 5.0  # seconds after which an edit that has not come does not come


@pytest.fixture(scope="module")
def embedded(shared_window: Window, code_server: CodeServer) -> Iterator[Window]:
    """The embedded model for all tests of this file."""
    code_server.configure(**EMBEDDED)
    shared_window.wait_for_status("ready.*smollm2")
    yield shared_window
    code_server.configure()
    shared_window.wait_for_status("ready.*taught")


@pytest.fixture
def window(embedded: Window) -> Iterator[Window]:
    yield embedded
    embedded.close_all()


def test_it_is_taken_by_tab_and_the_next_one_follows(window: Window) -> None:
    rename(window, "follow.py")
    window.wait_for_next_edit(HERE)
    window.press("Tab")
    window.wait_for_lines(ONE_TAKEN)
    window.wait_for_next_edit(HERE)
    window.press("Tab")
    window.wait_for_lines(BOTH_TAKEN)
    window.wait_for_next_edit(NOTHING)
    assert window.text() == BOTH_TAKEN


def test_undo_takes_it_back_in_one_step(window: Window) -> None:
    rename(window, "undo.py")
    window.wait_for_next_edit(HERE)
    window.press("Tab")
    window.wait_for_lines(ONE_TAKEN)
    window.press("Control+z")
    window.wait_for_lines(RENAMED)
    assert stays_without_next_edit(window)


def test_escape_dismisses_it_for_good(window: Window) -> None:
    rename(window, "unwanted.py", LOAD.replace("    print(handle.name)\n", ""))
    window.wait_for_next_edit(HERE)
    window.press("Escape")
    window.wait_for_next_edit(NOTHING)
    window.press("End")
    window.type("  # the data")
    assert stays_without_next_edit(window)
    window.run("Lacuna: Take the Next Edit")  # asks anew
    window.page.locator(".statusbar", has_text="Lacuna: nothing follows from the last edit.").wait_for()


def test_ghost_text_goes_first(window: Window) -> None:
    rename(window, "ghost.py", LOAD + "for ")
    window.wait_for_next_edit(HERE)
    window.press("Control+End")
    window.run("Lacuna: Suggest Here")
    shown = window.wait_for_any_ghost()
    window.press("Tab")
    window.wait_for_ghost("")
    assert window.text() == f"{RENAMED}for {shown}"


def test_elsewhere_it_waits(window: Window) -> None:
    window.open("other.py", "pass\n|")
    rename(window, "waits.py", beside_others=True)
    window.wait_for_next_edit(HERE)
    window.press("Control+PageUp")
    window.wait_for_lines("pass\n")
    window.wait_for_next_edit(NOTHING)
    window.press("Control+PageDown")
    window.wait_for_next_edit(HERE)
    window.press("Control+PageUp")
    window.wait_for_lines("pass\n")
    window.wait_for_next_edit(NOTHING)
    window.press("Tab")
    window.wait_for_lines("pass\n    ")


def test_typing_takes_it_down(window: Window) -> None:
    rename(window, "typing.py")
    window.wait_for_next_edit(HERE)
    window.type("s")
    window.until(lambda: window.next_edit() == NOTHING, "none for the text before")
    window.wait_for_next_edit(NextEdit("handle", "files", "⇥ Tab"))
    window.press("Tab")
    window.wait_for_lines(ONE_TAKEN.replace("file:", "files:").replace("(file)", "(files)"))


def test_from_afar_the_first_tab_goes_there(window: Window) -> None:
    rename(window, "afar.py", AFAR)
    window.wait_for_next_edit(NextEdit(hint="→ line 44: Tab"))
    window.press("Tab")
    window.wait_for_next_edit(HERE)
    assert "    print(handle.name)" in window.lines()
    window.press("Tab")
    window.wait_for_next_edit(NOTHING)
    assert window.text() == AFAR.replace("|", "").replace("handle", "file")


def test_in_another_file_the_first_tab_opens_it(window: Window) -> None:
    window.open("test_shop.py", "assert total([1, 2]) == 3\n|")
    window.open("shop.py", SHOP, beside_others=True)
    window.press("Control+Backspace")
    window.type("sum_of")
    window.wait_for_next_edit(NextEdit(hint="→ test_shop.py, line 1: Tab"))
    window.press("Tab")
    window.wait_for_next_edit(NextEdit("total", "sum_of", "⇥ Tab"))
    window.press("Tab")
    window.wait_for_lines("assert sum_of([1, 2]) == 3\n")


def test_tab_and_escape_are_themselves_where_nothing_is_offered(window: Window) -> None:
    window.open("nothing.py", "def total():\n|\n")
    window.press("Tab")
    window.wait_for_lines("def total():\n    \n")
    window.press("Shift+Home")
    window.type("a = 1")
    assert stays_without_next_edit(window)
    window.press("Home", "Tab")
    assert window.text() == "def total():\n    a = 1\n"


def test_switched_off_nothing_is_asked(window: Window, code_server: CodeServer) -> None:
    code_server.configure(**EMBEDDED, nextEdits=False)
    rename(window, "off.py")
    assert stays_without_next_edit(window)
    code_server.configure(**EMBEDDED)
    window.wait_for_next_edit(HERE)


def test_picture(window: Window) -> None:
    rename(window, "cart.py", PROGRAM, "amount")
    window.wait_for_next_edit(NextEdit("result", "amount", "⇥ Tab"))
    window.run("View: Toggle Primary Side Bar Visibility")
    window.page.wait_for_timeout(500)  # until the cursor's blinking and the tooltips have settled
    if os.environ.get("LACUNA_SCREENSHOTS"):
        window.page.screenshot(path=PICTURE)
    window.press("Tab")
    window.until(lambda: "        amount += item.price" in window.lines(), "the edit")
    window.run("View: Toggle Primary Side Bar Visibility")


def rename(window: Window, name: str, text: str = LOAD, new: str = "file", *, beside_others: bool = False) -> None:
    """Open a file and type another name in place of the one before the cursor."""
    window.open(name, text, beside_others=beside_others)
    window.press("Control+Backspace")
    window.type(new)


def stays_without_next_edit(window: Window) -> bool:
    """Whether none is shown for as long as a search takes."""
    deadline = time.monotonic() + SEARCH
    while time.monotonic() < deadline:
        if window.next_edit() != NOTHING:
            return False
        window.page.wait_for_timeout(50)
    return True
