"""A fetched package: its licence, path by path, and its files of program text as they came."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.text.languages import language_of
from lacuna.engine.train.corpus import licences
from lacuna.engine.train.corpus.archives import members

_LANGUAGES = {
    "pypi": {"python"},
    "npm": {"javascript", "typescript", "tsx"},
    "debian": {"c", "cpp", "go", "java", "rust"},
    "debian-dev": {"go", "rust"},
}
_INSTALLED = re.compile(r"(?:usr/)?share/(?:cargo/registry|gocode/src)/")
_CRATE = re.compile(r"(?:usr/)?share/cargo/registry/[^/]+(?=/)")
_BIGGEST = 2_000_000  # bytes; no one writes a file of this size


@dataclass(frozen=True)
class Package:
    """`files` are paths inside the package and their bytes, read as they are asked for."""

    licence: str  # of the package as a whole
    licence_of: Callable[[str], str]
    files: Iterator[tuple[str, bytes]]


def open_package(registry: str, folder: Path) -> Package:
    """The package that `clients.fetch` put into `folder`."""
    return _OPEN[registry](folder)


def _wheel(folder: Path) -> Package:
    (wheel,) = folder.glob("*.whl")
    metadata = _one(wheel, lambda path: path.count("/") == 1 and path.endswith(".dist-info/METADATA"))
    return _of_one_licence(licences.of_wheel(metadata), _texts("pypi", wheel))


def _npm(folder: Path) -> Package:
    (archive,) = folder.glob("*.tgz")
    return _of_one_licence(licences.of_npm(_one(archive, lambda path: path == "package.json")), _texts("npm", archive))


def _debian(folder: Path) -> Package:
    """Upstream's archive; debian/copyright is in an archive of Debian's own, or in the only one."""
    archives = [path for path in sorted(folder.glob("*.tar.*")) if path.suffix != ".asc"]
    upstream = next((path for path in archives if ".orig.tar." in path.name), archives[0])
    packaging = next((path for path in archives if ".debian.tar." in path.name), upstream)
    stated = _one(packaging, lambda path: path == ("debian/copyright" if packaging == upstream else "copyright"))
    licence_of = licences.of_debian(stated)
    return Package(licence_of(""), licence_of, _texts("debian", upstream))


def _debian_dev(folder: Path) -> Package:
    """A crate or a Go module as it is installed, by paths inside of it."""
    (archive,) = folder.glob("*.deb")
    licence_of = licences.of_debian(_one(archive, lambda path: path.endswith("/copyright")))
    files = [(path, data) for path, data in _texts("debian-dev", archive) if _INSTALLED.match(path)]
    # A crate's folder is named; a module's is what all of its files have in common.
    folders = [crate[0] if (crate := _CRATE.match(path)) else os.path.dirname(path) for path, _data in files]
    start = len(os.path.commonpath(folders)) + 1 if files else 0
    return Package(licence_of(""), licence_of, iter([(path[start:], data) for path, data in files]))


_OPEN = {"pypi": _wheel, "npm": _npm, "debian": _debian, "debian-dev": _debian_dev}


def _of_one_licence(licence: str, files: Iterator[tuple[str, bytes]]) -> Package:
    return Package(licence, lambda path: licence, files)


def _texts(registry: str, archive: Path) -> Iterator[tuple[str, bytes]]:
    languages = _LANGUAGES[registry]
    return members(archive, lambda path, size: size <= _BIGGEST and language_of("", path) in languages)


def _one(archive: Path, wanted: Callable[[str], bool]) -> str:
    found = [data for _path, data in members(archive, lambda path, size: wanted(path))]
    return found[0].decode("utf-8", errors="replace") if found else ""
