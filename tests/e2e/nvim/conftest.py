"""A Neovim of each version, with the real server and a model that knows a few lines by heart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from neovim import SERVE, Neovim, program, taught_settings
from setup_nvim import VERSIONS


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def shared(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """One Neovim and one server for all tests that can share them."""
    options = {"cmd": SERVE, "settings": taught_settings()}
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"nvim-{version}"), options)
    yield editor
    editor.close()


@pytest.fixture(scope="session")
def embedded(version: str, embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """One Neovim for all tests that need the embedded model, which the taught one is no match for in next edits."""
    options = {"cmd": SERVE, "settings": {"device": "cpu"}}  # its model is the default
    editor = Neovim(program(version), tmp_path_factory.mktemp(f"embedded-{version}"), options)
    yield editor
    editor.close()


@pytest.fixture
def renamer(embedded: Neovim) -> Neovim:
    """It, with the options that it was started with, no files but one, and the model loaded."""
    embedded.keys("<C-c><C-\\><C-n>")
    embedded.setup()
    embedded.rpc.command("silent! %bwipeout!")
    embedded.lua("_G.notified = nil")
    embedded.visit("|", "first.py")
    embedded.until_ready()
    return embedded


@pytest.fixture
def editor(shared: Neovim) -> Neovim:
    """It, with the options that it was started with, no window but one, and the model loaded."""
    shared.keys("<C-c>")
    shared.rpc.command("silent! only!")  # a test that failed may have left some
    shared.setup()
    shared.lua("_G.notified = nil")
    shared.open("|")
    shared.until_ready()
    return shared
