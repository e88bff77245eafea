"""Debian packages with apt-get, with package lists beside the machine's own: nothing of the system is changed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lacuna.engine.train.corpus.sources import CorpusError

_CONFIGURATION = Path("/etc/apt")
_ARCHIVE = re.compile(r"^(deb\s|Types:).*$", re.MULTILINE)


def update(state: Path, configuration: Path = _CONFIGURATION) -> None:
    """Fetch the lists of built and of source packages from the archives that this machine's apt uses, into `state`.

    Raises CorpusError.
    """
    parts = state / "parts"
    for folder in (parts, state / "lists" / "partial", state / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    for path in (configuration / "sources.list", *sorted((configuration / "sources.list.d").glob("*"))):
        if path.suffix in (".list", ".sources") and path.is_file():
            (parts / path.name).write_text(_with_sources(path.read_text(encoding="utf-8")), encoding="utf-8")
    done = subprocess.run(
        ["apt-get", "--quiet", *_options(state), "update"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise CorpusError(f"apt-get could not fetch its lists of packages:\n{done.stderr.strip()}")


def source_command(state: Path, package: str, version: str) -> list[str]:
    """Downloads a source package into the current directory."""
    return ["apt-get", "--quiet", *_options(state), "source", "--download-only", f"{package}={version}"]


def binary_command(state: Path, package: str, version: str) -> list[str]:
    """Downloads a built package into the current directory."""
    return ["apt-get", "--quiet", *_options(state), "download", f"{package}={version}"]


def _options(state: Path) -> list[str]:
    places = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "parts",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        # Kept, where the machine is set up not to: reading the lists anew takes 3 s of CPU for every package.
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
    }
    return [f"--option={name}={place}" for name, place in places.items()]


def _with_sources(text: str) -> str:
    """A list of archives in either of apt's forms, asking for source packages, too."""
    return _ARCHIVE.sub(
        lambda line: "Types: deb deb-src" if line[1] == "Types:" else f"{line[0]}\ndeb-src {line[0][4:]}", text
    )
