"""Reads what the clients fetched, without unpacking it onto the disk."""

from __future__ import annotations

import io
import lzma
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lacuna.engine.train.corpus.sources import CorpusError

_ZIPS = (".whl", ".zip")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, subprocess.CalledProcessError)

Wanted = Callable[[str, int], bool]  # by path and size in bytes


def members(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """The regular files that are wanted, in the archive's order.

    Paths come without the one folder that all of them stand in, where there is one. Raises CorpusError.
    """
    try:
        yield from (_zip_members if archive.name.endswith(_ZIPS) else _tar_members)(archive, wanted)
    except _BROKEN as error:
        raise CorpusError(f"{archive} is broken: {error}\nRemove its folder, and build again") from error


def _zip_members(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as files:
        entries = {info.filename: info for info in files.infolist() if not info.is_dir()}
        for name, path in _paths(entries).items():
            if wanted(path, entries[name].file_size):
                yield path, files.read(name)


def _tar_members(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    with _tar(archive) as tar:
        regular = {member.name: member for member in tar if member.isreg()}
        for name, path in _paths(regular).items():
            stream = tar.extractfile(regular[name]) if wanted(path, regular[name].size) else None
            if stream is not None:
                yield path, stream.read()


def _tar(archive: Path) -> tarfile.TarFile:
    if archive.suffix != ".deb":
        return tarfile.open(archive)
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], check=True, stdout=subprocess.PIPE).stdout
    return tarfile.open(fileobj=io.BytesIO(content))


def _paths(names: Mapping[str, object]) -> dict[str, str]:
    """The path of every name: without "./", and without the common folder."""
    paths = {name: name.removeprefix("./") for name in names}
    folders = {path.partition("/")[0] if "/" in path else "" for path in paths.values()}
    start = len(folders.pop()) + 1 if len(folders) == 1 and "" not in folders else 0
    return {name: path[start:] for name, path in paths.items()}
