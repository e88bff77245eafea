"""A Neovim of each version, with the real server and a model that knows a few lines by heart."""

from __future__ import annotations

from collections.abc import Iterator

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


@pytest.fixture
def editor(shared: Neovim) -> Neovim:
    """It, with the options that it was started with, and the model loaded."""
    shared.keys("<C-c>")
    shared.setup()
    shared.lua("_G.notified = nil")
    shared.open("|")
    shared.until_ready()
    return shared
