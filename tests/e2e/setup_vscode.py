"""Brings what the tests drive VS Code with into the user's cache: `python tests/e2e/setup_vscode.py`.

VS Code is code-server: the same editor, served to a browser. Only the browser may be installed system-wide, where
this machine has none and it is Debian's.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs

CACHE = Path(platformdirs.user_cache_dir("lacuna-e2e", appauthor=False))
EXTENSION = Path(__file__).parents[2] / "editors" / "vscode"
VSIX = EXTENSION / "dist" / "lacuna.vsix"
NODE, CODE_SERVER = "24.21.0", "4.139.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 600.0  # seconds for one of the installers


class CannotInstall(Exception):
    """What is missing on this machine, in words for a developer."""


def install() -> None:
    """All of it. Raises CannotInstall."""
    node()
    code_server()
    browser()
    packages(EXTENSION)


def packages(folder: Path) -> None:
    """What a folder's package-lock.json says, in its node_modules; none of it runs a script meanwhile.

    Raises CannotInstall.
    """
    lock = (folder / "package-lock.json").read_bytes()
    stamp = folder / "node_modules" / ".lacuna-lock"
    if not stamp.is_file() or stamp.read_bytes() != lock:
        npm("ci", "--ignore-scripts", cwd=folder)
        stamp.write_bytes(lock)


def npm(command: str, *arguments: str, cwd: Path | None = None) -> None:
    """Raises CannotInstall where there is no npm, or it fails."""
    options = () if command == "run" else _OPTIONS
    _run("npm", command, *options, *arguments, cwd=cwd, env=environment())


def node() -> Path:
    """The directory of the Node that runs code-server, which Debian's is too old for."""
    return _installed("node", NODE, _install_node) / "node_modules" / _node_package() / "bin"


def code_server() -> Path:
    """The entry script of code-server."""
    return _installed("code-server", CODE_SERVER, _install_code_server) / "node_modules/code-server/out/node/entry.js"


def browser() -> str:
    """A Chromium. Raises CannotInstall."""
    if not (found := _find_browser()) and shutil.which("apt-get") and os.geteuid() == 0:
        _run("apt-get", "update", "--quiet")  # a new machine knows no packages yet
        _run("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "chromium")
        found = _find_browser()
    if not found:
        raise CannotInstall(f"there is none of {', '.join(BROWSERS)} on the PATH: install one")
    return found


def build_extension() -> Path:
    """The extension as users install it, made anew. Raises CannotInstall."""
    packages(EXTENSION)
    npm("run", "package", cwd=EXTENSION)
    return VSIX


def environment() -> dict[str, str]:
    """This process' own, with the right Node first."""
    return {**os.environ, "PATH": os.pathsep.join([str(node()), os.environ["PATH"]])}


def _installed(name: str, version: str, install: Callable[[Path], None]) -> Path:
    """A folder of the cache, filled by `install` if it is not there."""
    folder = CACHE / f"{name}-{version}"
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        try:
            unfinished.mkdir(parents=True)
            install(unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _install_node(folder: Path) -> None:
    _run("npm", "install", *_OPTIONS, "--prefix", str(folder), f"{_node_package()}@{NODE}")


def _install_code_server(folder: Path) -> None:
    """Without what it would compile, which it runs without, but with the packages that compiling would have left."""
    npm("install", "--ignore-scripts", "--prefix", str(folder), f"code-server@{CODE_SERVER}")
    vscode = folder / "node_modules" / "code-server" / "lib" / "vscode"
    for part in (vscode, vscode / "extensions"):
        npm("install", "--ignore-scripts", "--omit=dev", cwd=part)


def _node_package() -> str:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"node-{sys.platform}-{machine}"


def _find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


_OPTIONS = ("--no-audit", "--no-fund", "--loglevel=error")


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    if not shutil.which(command[0]):
        raise CannotInstall(f"there is no {command[0]} on the PATH")
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no output")[-800:]
        raise CannotInstall(f"{' '.join(command[:3])} failed: {said}")


if __name__ == "__main__":
    try:
        install()
        print(f"VS Code {CODE_SERVER}: {code_server()}")
    except CannotInstall as reason:
        print(f"VS Code is not there, its tests will be skipped: {reason}")
