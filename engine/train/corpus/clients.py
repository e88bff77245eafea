"""Fetches packages with the registries' own clients: pip, npm and apt-get, as they are set up on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lacuna.engine.train.corpus import apt
from lacuna.engine.train.corpus.sources import CorpusError, Source

_PROGRAMS = {
    "npm": ("npm", "npm"),
    "debian": ("apt-get", "apt"),
    "debian-dev": ("dpkg-deb", "apt and dpkg"),
}
# Fixed, so that every machine fetches the same wheels; nothing in them is run.
_PLATFORMS = ("any", "manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")


class FetchError(Exception):
    """One package could not be fetched; the message is its client's first line of error."""


def folder_of(source: Source, downloads: Path) -> Path:
    """Where `fetch` puts the package's archives."""
    return downloads / source.registry / f"{source.package.replace('/', '+')}-{source.version}"


def prepare(sources: Sequence[Source], downloads: Path) -> None:
    """What the clients need before they fetch those of the packages that are not there yet. Raises CorpusError."""
    missing = {source.registry for source in sources if not folder_of(source, downloads).exists()}
    for registry, (program, package) in _PROGRAMS.items():
        if registry in missing and shutil.which(program) is None:
            raise CorpusError(
                f"the sources from {registry} are fetched with {program}, and it is not installed\n"
                f"Install {package}, or leave these sources out: lacuna corpus build --only pypi"
            )
    if missing & {"debian", "debian-dev"}:
        apt.update(_apt_state(downloads))


def fetch(source: Source, downloads: Path) -> Path:
    """The package's folder, fetched where it is not there yet. Raises FetchError."""
    folder = folder_of(source, downloads)
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    done = subprocess.run(
        _command(source, downloads),
        cwd=partial,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        shutil.rmtree(partial)
        raise FetchError(_first_error(done.stderr))
    partial.rename(folder)
    return folder


def _command(source: Source, downloads: Path) -> list[str]:
    if source.registry == "debian":
        return apt.source_command(_apt_state(downloads), source.package, source.version)
    if source.registry == "debian-dev":
        return apt.binary_command(_apt_state(downloads), source.package, source.version)
    if source.registry == "npm":
        return ["npm", "pack", "--ignore-scripts", "--silent", f"{source.package}@{source.version}"]
    # -P: a pip.py in the current directory must not run.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "download"]
    command += ["--quiet", "--no-deps", "--only-binary=:all:", "--implementation=cp", "--python-version=3.13"]
    return [*command, *(f"--platform={name}" for name in _PLATFORMS), f"{source.package}=={source.version}"]


def _apt_state(downloads: Path) -> Path:
    return downloads.absolute() / "debian" / ".apt"


def _first_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith(("WARNING", "W:"))]
    return (errors or lines or ["the client said nothing"])[0]
