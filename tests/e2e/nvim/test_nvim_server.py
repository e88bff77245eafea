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
    project, on_path = tmp_path / "project", tmp_path / "tools"
    project.mkdir(parents=True)
    own = str(ROOT / ".venv" / "bin" / "lacuna")
    if Path(own).exists():  # the checkout that the plugin is a part of comes last
        assert found(finder, project) == [own, "serve"]
    tool = install(on_path)
    finder.lua("vim.env.PATH = ...", str(Path(tool).parent))
    assert found(finder, project) == [tool, "serve"]
    in_project = install(project)
    assert found(finder, project) == [tool, "serve"], "not unless it is wanted"
    finder.setup(project_venv=True)
    assert found(finder, project) == [tool, "serve"], "nor unasked"
    assert asked(finder, project, answer="Yes")
    assert found(finder, project) == [in_project, "serve"]
    assert found(finder, None) == [tool, "serve"]
    finder.setup(cmd=[tool, "serve", "--tcp"], project_venv=True)
    assert found(finder, project) == [tool, "serve", "--tcp"]
    finder.setup(cmd=["/nowhere/lacuna"])
    assert found(finder, project) is None, "what the user says is not passed over"


def asked(editor: Neovim, root: Path, answer: str) -> bool:
    """Whether the user is asked of a project's program; `answer`: how the choice begins, nothing to make none."""
    return bool(editor.lua(ASK, str(root), answer))


ASK = """
local root, answer = ...
package.loaded["lacuna.venv"] = nil -- as in the next session
local venv, server = require("lacuna.venv"), nil
package.loaded["lacuna.server"] = nil
vim.ui.select = function(choices, _, on_choice)
  on_choice(vim.iter(choices):find(function(choice) return answer ~= "" and vim.startswith(choice, answer) end))
end
local is_answered = false
local is_asked = venv.ask(root, function() is_answered = true end)
vim.wait(1000, function() return is_answered or not is_asked end, 5)
return is_asked
"""


@pytest.mark.parametrize(
    ("answer", "is_started", "is_asked_again"), [("Yes", True, False), ("No", False, False), ("", False, True)]
)
def test_an_answer_is_remembered_for_this_program(
    finder: Neovim, tmp_path: Path, answer: str, is_started: bool, is_asked_again: bool
) -> None:
    finder.setup(project_venv=True)
    project, other = tmp_path / "project", tmp_path / "other"
    program, _ = install(project), install(other)
    assert asked(finder, project, answer)
    assert (found(finder, project) == [program, "serve"]) == is_started
    assert found(finder, other) != [str(other / ".venv/bin/lacuna"), "serve"], "of this project alone"
    assert asked(finder, project, "") == is_asked_again
    Path(program).write_text("#!/bin/sh\n# another\n", encoding="utf-8")
    assert found(finder, project) != [program, "serve"], "it is another program"
    assert asked(finder, project, "No")


@pytest.mark.parametrize("part", ["program", "bin", ".venv", "root", "above"])
def test_a_program_that_others_can_change_is_never_started(finder: Neovim, tmp_path: Path, part: str) -> None:
    finder.setup(project_venv=True)
    project = tmp_path / "shared" / "project"
    program = Path(install(project))
    assert asked(finder, project, "Yes")
    assert found(finder, project) == [str(program), "serve"]
    parts = {
        "program": program,
        "bin": program.parent,
        ".venv": project / ".venv",
        "root": project,
        "above": project.parent,
    }
    parts[part].chmod(0o777)
    assert found(finder, project) != [str(program), "serve"]
    assert not asked(finder, project, "Yes")
    assert any(f"others than you can change {parts[part]}" in message for message in finder.notified)


def test_nothing_above_the_root_is_started(finder: Neovim, tmp_path: Path) -> None:
    finder.setup(project_venv=True)
    install(tmp_path)
    root = tmp_path / "project"
    root.mkdir()
    assert not asked(finder, root, "Yes")


@pytest.mark.parametrize("path", [".", "", "bin", "./bin", "bin:.:"])
@pytest.mark.parametrize("cmd", [False, ["lacuna", "serve"], ["bin/lacuna"], ["./lacuna"]])
def test_nothing_is_found_in_the_working_directory(
    finder: Neovim, tmp_path: Path, path: str, cmd: list[str] | bool
) -> None:
    for folder in (tmp_path, tmp_path / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "lacuna").touch(0o755)
    finder.rpc.command(f"cd {tmp_path}")
    finder.lua("vim.env.PATH = ...", path)
    finder.setup(cmd=cmd)
    own = [str(ROOT / ".venv" / "bin" / "lacuna"), "serve"]
    assert found(finder, tmp_path) in (None, own)
    if cmd:
        assert "say its full path" in finder.lua("return select(2, require('lacuna.server').find(...))", str(tmp_path))


REPORT = """#!/bin/sh
{{ pwd; echo "$PYTHONPATH"; }} > {report}
exec {serve}
"""


@pytest.mark.parametrize(
    ("python_path", "kept"), [("", ""), (":", ""), (".", ""), ("{root}:", "{root}"), ("lib:{root}:.", "{root}")]
)
def test_it_is_started_where_names_mean_nothing_of_the_project(
    version: str, tmp_path: Path, python_path: str, kept: str
) -> None:
    report, script = tmp_path / "report", tmp_path / "tools" / "lacuna"
    script.parent.mkdir()
    script.write_text(REPORT.format(report=report, serve=" ".join(SERVE)), encoding="utf-8")
    script.chmod(0o755)
    before = f"vim.env.PYTHONPATH = {lua(python_path.format(root=ROOT))}; vim.fn.chdir({lua(str(tmp_path))})"
    editor = Neovim(program(version), tmp_path, {"cmd": [str(script)], "settings": {"enabled": False}}, before=before)
    editor.rpc.command("edit a.py")
    folder, said = editor.until(
        lambda: report.exists() and report.read_text().split("\n")[:-1], "the server has started"
    )
    assert said == kept.format(root=ROOT)
    assert Path(folder) == Path(editor.lua("return vim.uv.fs_realpath(vim.fn.stdpath('cache'))"))
    editor.close()


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
