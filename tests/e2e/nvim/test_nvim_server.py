"""Where the plugin finds the server's program, and that Neovim alone can start it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from neovim import PLUGIN, ROOT, SERVE, Neovim, lua, program, taught_settings


@pytest.fixture
def finder(version: str, tmp_path: Path) -> Iterator[Neovim]:
    """A Neovim that starts nothing."""
    editor = Neovim(program(version), tmp_path, {"settings": {"enabled": False}})
    editor.lua("vim.env.PATH = '/nowhere'")
    yield editor
    editor.close()


def install(folder: Path) -> str:
    """A virtual environment with a program that is only looked at."""
    script = folder / ".venv" / "bin" / "lacuna"
    script.parent.mkdir(parents=True)
    script.touch(0o755)
    return str(script)


def found(editor: Neovim, root: Path | None) -> list[str] | None:
    return editor.lua("return (require('lacuna.server').find(...))", *([str(root)] if root else []))


def test_the_order_in_which_it_is_looked_for(finder: Neovim, tmp_path: Path) -> None:
    project, on_path = tmp_path / "project" / "package", tmp_path / "tools"
    project.mkdir(parents=True)
    own = str(ROOT / ".venv" / "bin" / "lacuna")
    if Path(own).exists():  # the checkout that the plugin is a part of comes last
        assert found(finder, project) == [own, "serve"]
    tool = install(on_path)
    finder.lua("vim.env.PATH = ...", str(Path(tool).parent))
    assert found(finder, project) == [tool, "serve"]
    in_project = install(project.parent)
    assert found(finder, project) == [in_project, "serve"], "also above the root"
    assert found(finder, None) == [tool, "serve"]
    finder.setup(project_venv=False)
    assert found(finder, project) == [tool, "serve"], "not of strangers"
    finder.setup(cmd=[tool, "serve", "--tcp"])
    assert found(finder, project) == [tool, "serve", "--tcp"]
    finder.setup(cmd=["/nowhere/lacuna"])
    assert found(finder, project) is None, "what the user says is not passed over"


MINIMAL = """
vim.opt.runtimepath:prepend({plugin})
vim.g.loaded_python3_provider = 0
vim.lsp.config("lacuna", {{ cmd = {cmd}, init_options = {settings} }})
vim.lsp.enable("lacuna")
vim.lsp.inline_completion.enable()
vim.keymap.set("i", "<Tab>", function()
  if not vim.lsp.inline_completion.get() then
    return "<Tab>"
  end
end, {{ expr = true }})
"""


@pytest.mark.parametrize("version", ["0.12"], indirect=True)
def test_neovim_alone_can_do_without_setup(version: str, tmp_path: Path) -> None:
    init = MINIMAL.format(plugin=lua(str(PLUGIN)), cmd=lua(SERVE), settings=lua(taught_settings()))
    editor = Neovim(program(version), tmp_path, {}, init=init)
    editor.open("|")
    editor.until_ready()
    editor.keys("total = ")
    editor.until(lambda: editor.native_ghost == "sum(prices)", lambda: f"{editor.native_ghost!r} at {editor.text!r}")
    assert editor.ghost == "", "the plugin shows nothing of its own"
    editor.keys("<Tab>")
    editor.becomes("total = sum(prices)|")
    editor.close()
