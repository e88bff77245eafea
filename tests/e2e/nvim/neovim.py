"""A real Neovim with the plugin, driven as a user would: keys go in, text and ghost text come out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pynvim
import pytest
from setup_nvim import nvim
from taught_model import taught_model

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "editors" / "nvim"
PATIENCE = 60.0  # seconds; nothing takes so long unless something is wrong: the doctor 24 on a busy machine
QUIET = 0.6  # seconds in which what should not come would have come: ten times what the plugin waits
SERVE = [sys.executable, "-m", "lacuna.lsp_server", "serve"]

INIT = """
vim.opt.runtimepath:prepend({plugin})
vim.opt.swapfile = false
vim.g.loaded_python3_provider = 0
vim.opt.shortmess:append("I")
vim.notify = function(message) _G.notified = _G.notified or {{}}; table.insert(_G.notified, message) end
{before}
require("lacuna").setup({options})
"""


def program(version: str) -> Path:
    """A Neovim; skips the test where it was not installed."""
    path = nvim(version)
    if not path.exists():
        pytest.skip(f"Neovim {version} is not there; tests/e2e/setup_nvim.py brings it where that can be")
    return path


def taught_settings() -> dict[str, Any]:
    """The server's settings for a model that knows a few lines by heart."""
    return {"model": str(taught_model()), "device": "cpu", "dtype": "float32", "threads": 1}


class Neovim:
    """One Neovim. Positions are lines and columns from 0, columns in bytes."""

    def __init__(self, program: Path, home: Path, options: dict[str, Any], before: str = "", init: str = "") -> None:
        """The plugin's `options`, what the user does `before` that, or a whole `init` instead."""
        self._home = home
        self._files = 0
        self.options = options
        script = init or INIT.format(plugin=lua(str(PLUGIN)), before=before, options=lua(options))
        file = home / "init.lua"
        file.write_text(script, encoding="utf-8")
        argv = [str(program), "--embed", "--headless", "--clean", "-u", str(file)]
        with _environment(home):
            self.rpc = pynvim.attach("child", argv=argv)
        self.until(lambda: self.lua("return vim.v.vim_did_enter") == 1, "Neovim has started")

    def setup(self, **options: Any) -> None:
        """Call the plugin's setup() again: the options that it was started with, and these."""
        self.lua("require('lacuna').setup(...)", _merged(self.options, options))

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.rpc.exec_lua(code, *arguments)

    def keys(self, keys: str) -> None:
        """Press keys, all at once; they are worked off before anything else is done."""
        self.rpc.input(keys)

    def open(self, text: str, *, name: str = "", is_attached: bool = True) -> None:
        """Edit a new file with this text, the cursor in Insert mode where `|` stands in it."""
        self._files += 1
        self.rpc.command("stopinsert")
        path = self._home / (name or f"file{self._files}.py")
        self.rpc.command(f"edit! {path}")
        before, after = text.split("|")
        self.rpc.current.buffer[:] = (before + after).split("\n")
        row = before.count("\n")
        column = len(before.rpartition("\n")[2].encode())
        if is_attached:
            self.until(lambda: self.lua("return require('lacuna.client').of(0) ~= nil"), "the server is attached")
        self.rpc.current.window.cursor = (row + 1, column)
        at_end = column > 0 and column == len(self.line.encode())
        self.rpc.current.window.cursor = (row + 1, column)
        self.keys("A" if at_end else "i")

    def visit(self, text: str, name: str) -> None:
        """Edit a file that has this text on disk, in Normal mode on what stands behind `|`."""
        before, after = text.split("|")
        path = self._home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(before + after, encoding="utf-8")
        self.rpc.command("stopinsert")
        self.rpc.command(f"edit! {path}")
        self.until(lambda: self.lua("return require('lacuna.client').of(0) ~= nil"), "the server is attached")
        self.rpc.current.window.cursor = (before.count("\n") + 1, len(before.rpartition("\n")[2].encode()))

    @property
    def text(self) -> str:
        """The buffer, with `|` for the cursor."""
        row, column = self.cursor
        lines = list(self.rpc.current.buffer[:])
        line = lines[row].encode()
        lines[row] = line[:column].decode() + "|" + line[column:].decode()
        return "\n".join(lines)

    @property
    def line(self) -> str:
        return self.rpc.current.line

    @property
    def cursor(self) -> tuple[int, int]:
        row, column = self.rpc.current.window.cursor
        return row - 1, column

    @property
    def ghost(self) -> str:
        """What is shown that is not in the text, in the order of the screen."""
        return self.lua(GHOST, "lacuna")

    @property
    def preview(self) -> list[str]:
        """What is drawn of an edit in the current buffer: "-" what goes, "+" what comes, a hint where it is."""
        return self.lua(PREVIEW)

    def previews(self, *drawn: str) -> None:
        """Wait for this to be drawn of an edit; nothing: until it is gone."""
        self.until(
            lambda: self.preview == list(drawn), lambda: f"preview {drawn}; there is {self.preview} at {self.text!r}"
        )

    def goes_on_previewing(self, *drawn: str) -> None:
        """Wait long enough for anything else to come, and see that nothing does."""
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline:
            assert self.preview == list(drawn)
            time.sleep(0.05)

    @property
    def native_ghost(self) -> str:
        """The same for Neovim's own module."""
        return self.lua(GHOST, "nvim.lsp.inline_completion")

    def shows(self, ghost: str) -> None:
        """Wait for this ghost text."""
        self.until(
            lambda: self.ghost == ghost, lambda: f"ghost text {ghost!r}; there is {self.ghost!r} at {self.text!r}"
        )

    def shows_nothing(self) -> None:
        """Wait long enough for anything to come, and see that nothing does."""
        self.goes_on_showing("")

    def goes_on_showing(self, ghost: str) -> None:
        """Wait long enough for anything else to come, and see that nothing does."""
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline:
            assert self.ghost == ghost
            time.sleep(0.05)

    def becomes(self, text: str) -> None:
        """Wait for this text, with `|` for the cursor."""
        self.until(lambda: self.text == text, lambda: f"text {text!r}; it is {self.text!r}")

    def until_ready(self) -> None:
        """Wait until the model is loaded."""
        self.until(lambda: self.status["state"] in ("ready", "busy"), lambda: f"a model; {self.status}")

    @property
    def status(self) -> dict[str, str]:
        return self.lua("return require('lacuna').status()")

    @property
    def notified(self) -> list[str]:
        """What the user was told by vim.notify."""
        return self.lua("return _G.notified or {}")

    def statistics(self) -> dict[str, Any]:
        """What the server has counted since its start."""
        return self.lua(STATISTICS)

    def until(self, condition: Callable[[], T], what: str | Callable[[], str]) -> T:
        """Wait for something to be true."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain for " + (what if isinstance(what, str) else what())
            time.sleep(0.02)
        return value

    def server_process(self) -> int:
        """The process id of the server that this Neovim has started."""
        own = self.lua("return vim.fn.getpid()")
        children = subprocess.run(["pgrep", "-P", str(own)], capture_output=True, text=True).stdout.split()
        assert len(children) == 1, f"one server, not {children}"
        return int(children[0])

    def close(self) -> None:
        try:
            self.rpc.command("qall!", async_=True)
            self.rpc.close()
        except (OSError, EOFError):
            pass  # it has ended already, which is what was wanted


GHOST = """
local namespace = vim.api.nvim_get_namespaces()[...]
if not namespace then return "" end
local parts = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  for _, chunk in ipairs(mark[4].virt_text or {}) do table.insert(parts, chunk[1]) end
  for _, line in ipairs(mark[4].virt_lines or {}) do
    table.insert(parts, "\\n")
    for _, chunk in ipairs(line) do table.insert(parts, chunk[1]) end
  end
end
return table.concat(parts)
"""

PREVIEW = """
local namespace = vim.api.nvim_get_namespaces()["lacuna.preview"]
if not namespace then return {} end
local parts = {}
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  local row, col, details = mark[2], mark[3], mark[4]
  if details.end_row then
    local old = vim.api.nvim_buf_get_text(0, row, col, details.end_row, details.end_col, {})
    table.insert(parts, "-" .. table.concat(old, "\\n"))
  end
  for _, chunk in ipairs(details.virt_text or {}) do
    table.insert(parts, (chunk[2] == "LacunaEditAdd" and "+" or "") .. chunk[1])
  end
  for _, line in ipairs(details.virt_lines or {}) do
    table.insert(parts, "+" .. table.concat(vim.tbl_map(function(chunk) return chunk[1] end, line)))
  end
end
return parts
"""

STATISTICS = """
local client, answer = require("lacuna.client"), nil
client.execute(client.any(), "lacuna.statistics", nil, function(err, result) answer = { err, result } end)
vim.wait(5000, function() return answer end, 10)
assert(answer, "no statistics")
return answer[2]
"""


def lua(value: Any) -> str:
    """A value as a Lua literal."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"[ {lua(key)} ] = {lua(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "{ " + ", ".join(map(lua, value)) + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "[==[" + value + "]==]"
    return repr(value)


def _merged(options: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(options)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


@contextmanager
def _environment(home: Path) -> Iterator[None]:
    """Neovim's own folders are in the test's; the model's cache is that of all tests."""
    own = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE")}
    before = dict(os.environ)
    os.environ.update(own)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
