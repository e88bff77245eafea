"""Next edits of several lines in the real Neovims: drawn as lines, taken and dismissed as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import told_server
from neovim import Neovim, program, taught_settings
from test_nvim_drawing import screen

APPEND = "        self.items.append((name, price))"
SUM = "        result = 0\n        for item in self.items:\n            result += item[1]"
SHOWN = {  # the lines that come, below this line
    "insert.py": ("            result += item[1]", 2),
    "one_by_three.py": (APPEND, 3),
    "three_by_two.py": ("            result += item[1]", 2),
    "end.py": ("        return result", 3),
}


@pytest.fixture(scope="module")
def told(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim whose server is told what follows."""
    options = {"cmd": told_server.command(), "settings": taught_settings()}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"told-{version}"), options)
    editor.rpc.ui_attach(130, 24, rgb=True)
    editor.visit("|", "first.py")
    editor.until_ready()
    yield editor
    editor.close()


@pytest.mark.parametrize("name", SHOWN)
def test_look(told: Neovim, name: str) -> None:
    told.visit(told_server.CART, name)
    told.keys("it<Esc>")
    told.until(lambda: told.preview, "x")
    print(told.preview)
    print("\n".join(screen(told, 20)))
    told.keys("<Tab>")
    import time
    time.sleep(.3)
    print("\n".join(screen(told, 20)))
    told.keys("<Tab>")
