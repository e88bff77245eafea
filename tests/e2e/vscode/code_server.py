"""code-server: VS Code, served to a browser, with the extension and nothing else of the user's."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import psutil
import setup_vscode

PATIENCE = 60.0  # seconds; no test waits so long unless something is wrong
SETTINGS = {
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.tips.enabled": False,
    "workbench.editor.enablePreview": False,
    "workbench.activityBar.location": "hidden",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "chat.disableAIFeatures": True,
    "window.commandCenter": False,
    "editor.minimap.enabled": False,
    "editor.lightbulb.enabled": "off",
    "editor.scrollBeyondLastLine": False,
    "editor.fontSize": 18,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.suggestOnTriggerCharacters": False,
    "editor.parameterHints.enabled": False,
    "editor.wordBasedSuggestions": "off",
    "editor.acceptSuggestionOnEnter": "off",
    "files.autoSave": "off",
    "git.enabled": False,
}

LACUNA = str(Path(sys.executable).with_name("lacuna"))


class CodeServer:
    """One server with its own user, and a folder to work in. Use as a context."""

    def __init__(self, root: Path, vsix: Path, path: str, **settings: object) -> None:
        """`path`: the environment variable PATH, by which the extension finds `lacuna`. `settings`: see `configure`."""
        self.workspace = root / "shop"
        self._root = root
        self._vsix = vsix
        self._initial = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _free_port()
        self._environment = {
            **setup_vscode.environment(),
            "HOME": str(root),
            "LACUNA_CACHE": os.environ["LACUNA_CACHE"],  # where the model is
            "LACUNA_STATE": str(root / "state"),
            "LACUNA_DAEMON": "off",
            "SHELL": "/bin/bash",
        }
        root.mkdir(parents=True, exist_ok=True)
        # Extensions get the PATH of the user's login shell.
        (root / ".profile").write_text(f"export PATH='{path}'\n", encoding="utf-8")

    @property
    def home(self) -> Path:
        """The user's home."""
        return self._root

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/?folder={self.workspace}"

    def __enter__(self) -> CodeServer:
        self.workspace.mkdir(parents=True)
        self._write("User", SETTINGS)
        self.configure()
        (self._root / "config.yaml").write_text("cert: false\n", encoding="utf-8")
        subprocess.run(self._command("--install-extension", str(self._vsix)), **self._options(), check=True)
        options = ("--bind-addr", f"127.0.0.1:{self._port}", "--auth", "none", "--disable-telemetry")
        quiet = ("--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override")
        self._process = subprocess.Popen(self._command(*options, *quiet), **self._options(), start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while not self._is_up():
            assert time.monotonic() < deadline and self._process.poll() is None, self.output()
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None, "it was entered"
        family = [self._process, *psutil.Process(self._process.pid).children(recursive=True)]
        self._process.terminate()
        for process in family[1:]:
            if isinstance(process, psutil.Process) and process.is_running():
                process.kill()
        self._process.wait(PATIENCE)

    def stand_in(self, name: str, command: str) -> str:
        """The path of a program to start in place of ours: a line of shell, behind which ours stands with what it was
        given."""
        program = self.home / name
        program.write_text(f"#!/bin/sh\n{command} '{LACUNA}' \"$@\"\n", encoding="utf-8")
        program.chmod(0o755)
        return str(program)

    def configure(self, **settings: object) -> None:
        """Lacuna's settings are these and those of the beginning. Names without `lacuna.`.

        They go into the machine's settings: changes of the user's are seen when the editor makes them itself only.
        """
        self._write("Machine", {f"lacuna.{name}": value for name, value in {**self._initial, **settings}.items()})

    def configure_workspace(self, **settings: object) -> None:
        """The same in the workspace's own settings, as somebody's repository may bring them."""
        path = self.workspace / ".vscode" / "settings.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({f"lacuna.{name}": value for name, value in settings.items()}), encoding="utf-8")

    def user_settings(self) -> dict[str, object]:
        """The user's settings, as they are now."""
        return dict(json.loads(self._settings_file("User").read_text(encoding="utf-8")))

    def _settings_file(self, whose: str) -> Path:
        return self._root / "data" / whose / "settings.json"

    def _write(self, whose: str, settings: dict[str, object]) -> None:
        path = self._settings_file(whose)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(settings), encoding="utf-8")
        unfinished.replace(path)

    def lacuna_processes(self) -> list[psutil.Process]:
        """The running `lacuna serve` of this editor."""
        assert self._process is not None, "it was entered"
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if _command_line(child)[-2:] == [LACUNA, "serve"]]

    def counts(self) -> dict[str, int]:
        """What Lacuna's servers have counted, and written when they ended: the sum over all days."""
        path = self._root / "state" / "statistics.json"
        days = json.loads(path.read_text(encoding="utf-8"))["days"].values() if path.exists() else ()
        return dict(sum(map(Counter, days), Counter()))

    def output(self) -> str:
        """What code-server itself printed."""
        return (self._root / "output.txt").read_text(encoding="utf-8", errors="replace")

    def _command(self, *arguments: str) -> list[str]:
        folders = ("--user-data-dir", str(self._root / "data"), "--extensions-dir", str(self._root / "extensions"))
        config = ("--config", str(self._root / "config.yaml"))
        return [str(setup_vscode.node() / "node"), str(setup_vscode.code_server()), *config, *folders, *arguments]

    def _options(self) -> dict[str, object]:
        output = (self._root / "output.txt").open("ab")
        return {"env": self._environment, "stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}

    def _is_up(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=2).status == 200)
        except (urllib.error.URLError, OSError):
            return False


def path_with_lacuna() -> str:
    """PATH with the `lacuna` of this test run first."""
    assert shutil.which(LACUNA), "lacuna is installed where the tests run"
    return os.pathsep.join([str(Path(LACUNA).parent), setup_vscode.environment()["PATH"]])


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return []
