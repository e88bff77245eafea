"""Edits that follow from the last one, in the real Neovims, with the real server and the embedded model."""

from __future__ import annotations

from itertools import count

import pytest
from neovim import Neovim

numbers = count(1)

# The second line follows the first by 15 nats, whatever the adapter.
LOAD = """\
import json

with open('data.json') as |handle:
    data = json.load(handle)
print(data)
"""
FAR = """\
import json

with open('data.json') as |handle:
{}
    data = json.load(handle)
    more = json.load(handle)
""".format("\n".join(f"    step_{number} = {number}" for number in range(30)))
CALL = 33  # the row of the first call in it
TOTAL = """\
def |total(values):
    result = 0
    for value in values:
        result += value
    return result
"""


def rename(editor: Neovim, text: str = LOAD, new: str = "file", name: str = "") -> None:
    """A user opens a file of this text and renames what the cursor is on."""
    editor.visit(text, name or f"rename{next(numbers)}.py")
    editor.keys(f"ciw{new}<Esc>")


def line(editor: Neovim, row: int) -> str:
    return editor.rpc.current.buffer[row]


def requests(editor: Neovim) -> int:
    """How many searches the server has logged."""
    return sum("next edit" in line for line in editor.lua("return require('lacuna.log').lines()"))


def test_close_by_a_key_makes_the_edit_and_one_undo_takes_it_back(renamer: Neovim) -> None:
    rename(renamer)
    renamer.previews("-handle", "+file")
    assert line(renamer, 3) == "    data = json.load(handle)", "it is only shown"
    renamer.keys("<Tab>")
    after = LOAD.replace("handle", "file").replace("|", "").rstrip("\n")
    renamer.until(lambda: "\n".join(renamer.rpc.current.buffer[:]) == after, lambda: renamer.text)
    assert renamer.cursor == (3, 21)
    assert renamer.preview == []
    renamer.keys("u")
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(handle)", lambda: renamer.text)
    assert line(renamer, 2) == "with open('data.json') as file:", "undone alone"


def test_out_of_view_it_is_pointed_to_then_gone_to_then_made_and_the_next_one_follows(renamer: Neovim) -> None:
    rename(renamer, FAR)
    renamer.previews(f" → line {CALL + 1}", "-handle", "+file")
    renamer.keys("j")
    renamer.until(lambda: renamer.cursor[0] == 3, "the cursor moves")
    renamer.goes_on_previewing(f" → line {CALL + 1}", "-handle", "+file")
    renamer.rpc.command("help")
    renamer.keys("<Tab>")
    renamer.goes_on_previewing()
    assert renamer.rpc.current.buffer.name.endswith("help.txt"), "where it is not pointed to, the key is as ever"
    renamer.rpc.command("close")
    renamer.keys("<Tab>")
    renamer.until(lambda: renamer.cursor == (CALL, 21), lambda: f"at the call; {renamer.cursor}")
    assert line(renamer, CALL) == "    data = json.load(handle)", "only gone to"
    renamer.previews("-handle", "+file")
    renamer.keys("<Tab>")
    renamer.until(lambda: line(renamer, CALL) == "    data = json.load(file)", lambda: renamer.text)
    renamer.previews("-handle", "+file")
    renamer.keys("<Tab>")
    renamer.until(lambda: line(renamer, CALL + 1) == "    more = json.load(file)", lambda: renamer.text)
    renamer.keys("<C-o><C-o>")
    renamer.until(lambda: renamer.cursor[0] == 3, lambda: f"back where the user was; {renamer.cursor}")


def test_in_another_buffer(renamer: Neovim) -> None:
    renamer.visit("|assert total([1, 2]) == 3\n", "calls.py")
    rename(renamer, TOTAL, "sum_of", "code.py")
    renamer.until(lambda: renamer.preview, "a hint")
    assert renamer.preview[0].startswith(" → ") and renamer.preview[0].endswith("calls.py:1")
    renamer.keys("<Tab>")
    renamer.previews("-total", "+sum_of")
    assert renamer.rpc.current.buffer.name.endswith("calls.py")
    assert renamer.line == "assert total([1, 2]) == 3"
    renamer.keys("<Tab>")
    renamer.until(lambda: renamer.line == "assert sum_of([1, 2]) == 3", lambda: renamer.text)
    renamer.keys("<C-o>")
    renamer.until(lambda: renamer.rpc.current.buffer.name.endswith("code.py"), "back in the other file")


def test_in_another_window(renamer: Neovim) -> None:
    renamer.visit("|assert total([1, 2]) == 3\n", "calls.py")
    renamer.rpc.command("split")
    above = renamer.rpc.current.window
    rename(renamer, TOTAL, "sum_of", "code.py")
    renamer.until(lambda: renamer.preview, "a hint")
    renamer.keys("<Tab>")
    renamer.previews("-total", "+sum_of")
    assert renamer.rpc.current.window != above, "the window that shows it already"
    assert renamer.rpc.current.buffer.name.endswith("calls.py")
    renamer.rpc.command("only")


def test_dismissed_it_does_not_come_back(renamer: Neovim) -> None:
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.keys("<Esc>")
    renamer.previews()
    renamer.rpc.command("Lacuna next")
    renamer.until(
        lambda: "nothing follows from the last edit" in renamer.rpc.command_output("messages"),
        lambda: renamer.rpc.command_output("messages"),
    )
    renamer.goes_on_previewing()
    assert renamer.notified == []


@pytest.mark.parametrize("keys", ["ix", "x", "Gonew", ":1delete<CR>"])
def test_any_other_edit_takes_it_down(renamer: Neovim, keys: str) -> None:
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.keys(keys)
    renamer.previews()
    renamer.keys("<Esc>")


def test_writing_the_file_leaves_it(renamer: Neovim) -> None:
    rename(renamer)
    renamer.rpc.command("write")
    renamer.previews("-handle", "+file")
    renamer.rpc.command("write!")
    renamer.goes_on_previewing("-handle", "+file")
    renamer.keys("<Tab>")
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(file)", lambda: renamer.text)


def test_what_changed_meanwhile_is_not_edited(renamer: Neovim) -> None:
    """All keys are there before Neovim gets to draw: the key is what it is where no edit is shown."""
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.keys("0x<Tab>")
    renamer.previews()
    assert line(renamer, 3) == "    data = json.load(handle)"


def test_while_the_user_rests_in_insert_mode(renamer: Neovim) -> None:
    renamer.setup(next_edit_wait_ms=50, settings={"completion": "plain"})
    renamer.visit(LOAD, f"rename{next(numbers)}.py")
    renamer.keys("ciwfile")
    renamer.previews("-handle", "+file")
    renamer.keys("<Esc>")
    renamer.goes_on_previewing("-handle", "+file")
    renamer.keys("<Tab>")
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(file)", lambda: renamer.text)


def test_the_command_and_the_functions(renamer: Neovim) -> None:
    renamer.setup(keys={"next_edit": False, "dismiss_edit": False})
    assert renamer.lua("return require('lacuna').next_edit()") is False
    assert renamer.lua("return require('lacuna').dismiss_edit()") is False
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.keys("<Esc><Tab>")
    renamer.goes_on_previewing("-handle", "+file")
    renamer.rpc.command("Lacuna next")
    assert line(renamer, 3) == "    data = json.load(file)"
    rename(renamer)
    renamer.previews("-handle", "+file")
    assert renamer.lua("return require('lacuna').next_edit()") is True
    renamer.until(lambda: line(renamer, 3) == "    data = json.load(file)", lambda: renamer.text)
    rename(renamer)
    renamer.previews("-handle", "+file")
    renamer.rpc.command("Lacuna dismiss")
    renamer.previews()


def test_the_setting(renamer: Neovim) -> None:
    renamer.setup(settings={"next_edits": False})
    before = requests(renamer)
    rename(renamer)
    renamer.goes_on_previewing()
    assert requests(renamer) == before, "nothing was asked"
    renamer.setup()
    renamer.keys("<Esc>a<BS>e<Esc>")
    renamer.previews("-handle", "+file")


def test_when_only_asked(renamer: Neovim) -> None:
    renamer.setup(auto=False)
    before = requests(renamer)
    rename(renamer)
    renamer.goes_on_previewing()
    assert requests(renamer) == before, "nothing was asked"
    renamer.rpc.command("Lacuna next")
    renamer.previews("-handle", "+file")


def test_an_instruction_needs_a_model_that_follows_it(renamer: Neovim) -> None:
    renamer.visit(LOAD, "rewrite.py")
    renamer.keys("Vj:Lacuna rewrite use a context manager<CR>")
    renamer.until(lambda: renamer.notified, "the server's message")
    renamer.keys(":Lacuna rewrite<CR>use a context manager<CR>")
    renamer.until(lambda: len(renamer.notified) == 2, "the same message")
    first, second = renamer.notified
    assert first == second
    assert "follows no instructions: choose a DiffusionGemma as `model`" in first
