"""Two Neovims, and the one daemon that serves both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from neovim import SERVE, Neovim, program, taught_settings


@pytest.fixture
def editors(
    version: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Neovim]]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))
    monkeypatch.setenv("LACUNA_DAEMON", "on")
    options = {"cmd": SERVE, "settings": taught_settings()}
    found = [Neovim(program(version), tmp_path, options) for _ in range(2)]
    yield found
    for editor in found:
        editor.close()
    daemon("stop", tmp_path)


def daemon(question: str, home: Path) -> Any:
    """What `lacuna daemon` says in the editors' environment."""
    command = [sys.executable, "-m", "lacuna.lsp_server", "daemon", question, *["--json"] * (question == "status")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "HOME": str(home)})
    return json.loads(done.stdout) if question == "status" else done.stdout


def test_two_editors_are_served_by_one_daemon_and_go_on_where_it_dies(editors: list[Neovim], tmp_path: Path) -> None:
    for editor in editors:
        editor.open("|")
        editor.until_ready()
        editor.keys("total = ")
        editor.shows("sum(prices)")
    [said] = daemon("status", tmp_path)
    assert said["editors"] == 2 and len(said["models"]) == 1
    os.kill(said["process"], signal.SIGKILL)

    def is_served_anew() -> bool:
        return [one["editors"] for one in daemon("status", tmp_path) if one["process"] != said["process"]] == [2]

    editors[0].until(is_served_anew, "another daemon")
    for editor in editors:
        editor.until_ready()
        editor.open("|")
        editor.keys("total = ")
        editor.shows("sum(prices)")
        assert not editor.notified
