"""Where a process was started is nobody's business: workspaces of strangers, deleted directories, no home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from raw_client import call, frame, serving

GOODBYE = frame(call("shutdown", None, 8)) + frame(call("exit"))
TRAP = "import os, pathlib\npathlib.Path(os.environ['TRAP']).touch()\n"
PACKAGES = os.pathsep.join(entry for entry in sys.path if entry)  # also where Lacuna is not installed
CONSOLE = ["-P", "-c", "from lacuna.lsp_server.cli.main import main; main()"]  # as the script `lacuna` does it


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """The file that modules of the workspace leave behind where they are run."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("typer", "click", "pygls", "lsprotocol", "platformdirs", "psutil", "rich", "email", "csv", "torch"):
        (workspace / f"{name}.py").write_text(TRAP + "raise ImportError\n")
    return tmp_path / "trapped"


@pytest.mark.parametrize("entries", [":{}", "{}:", ".:{}", "{}:.", "./:{}", "../workspace:{}", "{}::"])
def test_nothing_is_imported_from_the_workspace(entries: str, trap: Path) -> None:
    environment = {**os.environ, "TRAP": str(trap), "PYTHONPATH": entries.format(PACKAGES)}
    command = [sys.executable, *CONSOLE, "serve"]
    with serving(command=command, env=environment, cwd=trap.parent / "workspace") as server:
        server.greet()
        server.send(GOODBYE)
        assert server.ended() == 0, server.errors
    assert not trap.exists()


def test_a_directory_that_is_named_in_full_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    code = "import sys, lacuna.lsp_server.start; sys.exit('mine' in sys.modules or __import__('mine') is None)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", str(tmp_path), PACKAGES])}
    assert subprocess.run([sys.executable, "-P", "-c", code], env=environment, cwd=tmp_path).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_server_leaves_the_workspace(tmp_path: Path) -> None:
    with serving(cwd=tmp_path) as server:
        server.greet()
        assert Path(os.readlink(f"/proc/{server.pid}/cwd")) != tmp_path
        server.send(GOODBYE)
        assert server.ended() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a directory that is in use cannot be deleted there")
def test_a_directory_that_was_deleted_is_no_place_to_stay(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-P", "-c", code, "-P", "-m", "lacuna.lsp_server", "serve"]
    with serving(command=command, cwd=gone) as server:
        server.greet()
        server.send(GOODBYE)
        assert server.ended() == 0, server.errors


def test_directories_of_the_environment_are_those_of_the_start(tmp_path: Path) -> None:
    environment = {**os.environ, "LACUNA_STATE": "state", "LACUNA_CACHE": "cache"}
    with serving(env=environment, cwd=tmp_path) as server:
        server.greet()
        server.send(
            call("textDocument/didOpen", {"textDocument": {"uri": "u", "languageId": "", "version": 0, "text": ""}})
        )
        ask = {"textDocument": {"uri": "u"}, "position": {"line": 0, "character": 0}, "context": {"triggerKind": 2}}
        server.send(call("textDocument/inlineCompletion", ask, 1))
        server.answers.until(1)
        server.send(GOODBYE)
        assert server.ended() == 0
    assert (tmp_path / "state" / "statistics.json").exists()


# `unshare` or another user would be the real thing; what the system says of the home is what they change.
HOMELESS = """
import os, sys
sys.path[:] = [entry for entry in sys.path if entry]
os.environ.pop("HOME", None)
import pwd
def nobody(number):
    raise KeyError(number)
pwd.getpwuid = nobody
from lacuna.lsp_server.cli.main import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="passwd")
@pytest.mark.parametrize("arguments", [["serve"], ["doctor"], ["stats"], ["pull"]])
def test_no_home_is_told_with_what_to_set(arguments: list[str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LACUNA_", "HOME"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", HOMELESS, *arguments],
        input=b"",
        capture_output=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert b"LACUNA_CACHE" in done.stderr and b"LACUNA_STATE" in done.stderr and b"HOME" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="passwd")
def test_without_a_home_two_directories_are_enough(tmp_path: Path) -> None:
    environment = {**os.environ, "LACUNA_STATE": str(tmp_path / "state"), "LACUNA_CACHE": str(tmp_path / "cache")}
    with serving("serve", command=[sys.executable, "-P", "-c", HOMELESS], env=environment, cwd=tmp_path) as server:
        server.greet(enabled=True)
        uri = (tmp_path / "a.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 0, "text": "x = 1\n"}
        server.send(call("textDocument/didOpen", {"textDocument": document}))
        ask = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 5}, "context": {"triggerKind": 1}}
        server.send(call("textDocument/inlineCompletion", ask, 1))
        assert "error" not in server.answers.until(1)
        server.send(GOODBYE)
        assert server.ended() == 0, server.errors
        assert "Traceback" not in server.errors
