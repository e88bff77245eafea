"""What is really on the screen, in a terminal; and the picture for the README.

With LACUNA_SCREENSHOTS=1 the picture in docs/images and golden/screen.txt are made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from neovim import INIT, PLUGIN, ROOT, SERVE, lua, program, taught_settings
from tmux import Terminal

from lacuna.engine.store.model_store import EMBEDDED

GOLDEN = Path(__file__).parent / "golden" / "screen.txt"
PICTURE = ROOT / "docs" / "images" / "neovim.svg"
SAMPLE = ROOT / "lsp_server" / "demo" / "sample"
GHOST = "#8080ff"
LOOK = (
    f"""
vim.api.nvim_set_hl(0, "LacunaGhost", {{ fg = "{GHOST}", italic = true }})"""
    + """
vim.o.termguicolors = true
vim.o.number = true
vim.o.laststatus = 2
vim.o.ruler = false
vim.o.showmode = false
vim.o.fillchars = "eob: "
vim.o.statusline = " %f%=%{v:lua.require'lacuna'.statusline()} "
"""
)

Start = Callable[..., Terminal]


@pytest.fixture
def start(version: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a Neovim in a terminal, with these options of the plugin, on a file."""
    if not shutil.which("tmux"):
        pytest.skip("the screen is tmux's, which is not installed")
    started = []

    def begin(file: Path, options: dict[str, Any], columns: int, rows: int) -> Terminal:
        init = tmp_path / "init.lua"
        init.write_text(INIT.format(plugin=lua(str(PLUGIN)), before=LOOK, options=lua(options)), encoding="utf-8")
        command = [str(program(version)), "--clean", "-u", str(init), file.name]
        own = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "STATE")}
        colours = {"COLORTERM": "truecolor", "LACUNA_STATE": os.environ["LACUNA_STATE"]}
        started.append(Terminal(command, own | colours, file.parent, columns, rows))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.close()


def is_ready(screen: str) -> bool:
    return screen.rstrip().endswith("lacuna")


def wait_for(terminal: Terminal, part: str) -> str:
    """Wait for a screen with this in it, ghost text marked."""
    terminal.until(lambda _: part in terminal.marked(GHOST))
    return terminal.marked(GHOST)


def test_the_screen_with_ghost_text(start: Start, tmp_path: Path) -> None:
    """As in golden/screen.txt, with « and » around the ghost text."""
    file = tmp_path / "mean.py"
    file.write_text("def mean(values):\n    # 🎂\n\n\nprint(mean([1, 2]))\n", encoding="utf-8")
    terminal = start(file, {"cmd": SERVE, "settings": taught_settings()}, 60, 8)
    terminal.until(is_ready)
    terminal.keys("3G", "A")
    terminal.type("    return ")
    screens = [wait_for(terminal, "return «sum(values) / len(values)»")]
    terminal.keys("M-Right")
    screens.append(wait_for(terminal, "return sum«(values) / len(values)»"))
    terminal.keys("Tab")
    screens.append(wait_for(terminal, "return sum(values) / len(values)"))
    text = "\n---\n".join(screens) + "\n"
    if "LACUNA_SCREENSHOTS" in os.environ:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.weights
@pytest.mark.parametrize("version", ["0.12"], indirect=True)
def test_the_picture_for_the_readme(start: Start, tmp_path: Path) -> None:
    """The embedded model, watched at work on the sample project; made anew as VS Code's is."""
    model = os.environ.get("LACUNA_SCREENSHOTS", EMBEDDED)
    shutil.copytree(SAMPLE, tmp_path / "shop")
    file = tmp_path / "shop" / "inventory.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("        return [item.price for item in self.items]\n", ""), encoding="utf-8")
    terminal = start(file, {"cmd": SERVE, "settings": {"model": model}, "watch": {"step_ms": 1}}, 92, 28)
    terminal.until(is_ready)
    terminal.type(":Lacuna watch")
    terminal.keys("Enter")
    terminal.until(lambda screen: "Waiting for a request" in screen)
    terminal.type("14Gzt22Go")
    terminal.until(lambda screen: ", done" in screen)
    terminal.until(lambda screen: screen.count("self.items") >= 6)  # twice in the file, and step by step beside it
    picture = PICTURE if "LACUNA_SCREENSHOTS" in os.environ else tmp_path / "neovim.svg"
    terminal.draw(picture, "Neovim")
    assert "self.items" in picture.read_text(encoding="utf-8").replace("&#160;", " ")
