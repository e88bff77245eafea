"""Next edits of several lines in the real Neovims: drawn as lines where they can be seen, taken as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import told_server
from neovim import Neovim, program, taught_settings
from test_nvim_drawing import screen

APPEND = "        self.items.append((name, price))\n"
SHOWN = {  # what goes, and the screen
    "insert.py": ([], told_server.after("insert.py")),
    "one_by_three.py": ([APPEND.strip()], told_server.after("one_by_three.py").replace(
        "        if not", f"{APPEND}        if not"
    )),
    "three_by_two.py": (
        ["result = 0", "for item in self.items:", "result += item[1]"],
        told_server.BEFORE.replace("        return", "{}        return").format(told_server.TOLD["three_by_two.py"][1]),
    ),
    "end.py": ([], told_server.after("end.py")),
}  # fmt: skip


@pytest.fixture(scope="module")
def started(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim whose server is told what follows."""
    options = {"cmd": told_server.command(), "settings": taught_settings()}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"told-{version}"), options)
    editor.rpc.ui_attach(80, 24, rgb=True)
    editor.visit("|", "first.py")
    editor.until_ready()
    yield editor
    editor.close()


@pytest.fixture
def told(started: Neovim) -> Neovim:
    """It, with no files but one, and room for all of another one."""
    started.rpc.ui_try_resize(80, 24)
    started.keys("<C-c><C-\\><C-n>")
    started.rpc.command("silent! %bwipeout!")
    return started


def follow(editor: Neovim, name: str) -> None:
    """A user types what it follows."""
    editor.visit(told_server.CART, name)
    editor.keys(f"i{told_server.TYPED}<Esc>")


def shows(editor: Neovim, text: str) -> None:
    """Wait for these lines on the screen, of which 40 columns are looked at."""
    lines = [line[:40].rstrip() for line in text.splitlines()]
    rows = len(lines) + 1
    editor.until(lambda: screen(editor, rows) == [*lines, "~"], lambda: f"{lines}; there is {screen(editor, rows)}")


def text(editor: Neovim) -> str:
    return "\n".join(editor.rpc.current.buffer[:]) + "\n"


@pytest.mark.parametrize("name", SHOWN)
def test_all_of_it_is_shown_and_taken(told: Neovim, name: str) -> None:
    goes, shown = SHOWN[name]
    follow(told, name)
    shows(told, shown)
    assert [drawn[1:] for drawn in told.preview if drawn.startswith("-")] == goes
    told.keys("10G<Tab>")  # near all of them
    told.until(lambda: text(told) == told_server.after(name), lambda: told.text)
    told.previews()
    shows(told, told_server.after(name))
    told.keys("u")
    told.until(lambda: text(told) == told_server.BEFORE, lambda: told.text)


def test_escape_takes_all_of_it_down(told: Neovim) -> None:
    follow(told, "refused.py")
    shows(told, SHOWN["three_by_two.py"][1])
    told.keys("<Esc>")
    shows(told, told_server.BEFORE)
    assert told.preview == []


@pytest.mark.parametrize(("name", "keys", "line"), [("first.py", "", 1), ("end.py", "G", 12)])
def test_where_the_lines_have_no_room_they_are_gone_to(told: Neovim, name: str, keys: str, line: int) -> None:
    """Above a window's first line, and below its last one, Neovim shows no lines that are not the text's."""
    told.rpc.ui_try_resize(80, 10)
    follow(told, name)
    told.keys(keys)
    told.until(lambda: f" → line {line}" in told.preview, lambda: f"a hint; {told.preview}")
    new = told_server.TOLD[name][1].splitlines()[0 if name == "first.py" else 1]
    assert new not in screen(told, 8)
    told.keys("<Tab>")
    told.until(lambda: new in screen(told, 8), lambda: f"{screen(told, 8)}")
    assert text(told) == told_server.BEFORE, "only gone to"
    told.keys("<Tab>")
    told.until(lambda: text(told) == told_server.after(name), lambda: told.text)
