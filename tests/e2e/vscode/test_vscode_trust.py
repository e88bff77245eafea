"""What a workspace can do to the extension: it runs none of its programs, and lets in nothing that the user hides."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_server import CodeServer
from window import Window

TEXT = "prices = [3, 5, 8]\n|\nprint(total)\n"


@pytest.fixture
def workspace(window: Window, code_server: CodeServer) -> Iterator[Path]:
    yield code_server.workspace
    shutil.rmtree(code_server.workspace / ".venv", ignore_errors=True)  # in a trusted workspace it would be found
    code_server.configure_workspace()


def test_the_server_is_started_in_the_users_home(window: Window, code_server: CodeServer) -> None:
    [server] = code_server.lacuna_processes()
    assert Path(server.cwd()) == code_server.home
    entries = server.environ()["PYTHONPATH"].split(":")
    assert [entry for entry in entries if entry and not Path(entry).is_absolute()] == []


@pytest.mark.parametrize("path", [".venv/bin/lacuna", "lacuna", "./lacuna"])
def test_a_relative_path_is_refused(window: Window, code_server: CodeServer, workspace: Path, path: str) -> None:
    program = workspace / path
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\ntouch {workspace}/started\n", encoding="utf-8")
    program.chmod(0o755)
    code_server.configure(path=path)
    window.wait_for_status("wrong .*has to be a full path")
    window.until(lambda: code_server.lacuna_processes() == [], "no server")
    window.page.locator(".notification-list-item", has_text="has to be a full path").first.wait_for()
    window.run("Notifications: Clear All Notifications")
    assert not (workspace / "started").exists()


def test_a_workspace_hides_more_files(window: Window, code_server: CodeServer, workspace: Path) -> None:
    code_server.configure_workspace(excluded=["hidden*.py"])
    window.open("hidden.py", TEXT)
    window.type("total = ")
    assert window.stays_without_ghost()
    window.open("other.py", TEXT)
    window.type("total = ")
    window.wait_for_ghost("sum(prices)")


@pytest.mark.parametrize("patterns", [[], ["!**"], ["!private.py", " !private.py"]])
def test_a_workspace_lets_nothing_in(
    window: Window, code_server: CodeServer, workspace: Path, patterns: list[str]
) -> None:
    code_server.configure(excluded=["private*.py"])
    code_server.configure_workspace(excluded=patterns)
    window.open("private.py", TEXT)
    window.type("total = ")
    assert window.stays_without_ghost()
