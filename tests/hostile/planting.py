"""Files as a hostile repository, archive or user of the same machine leaves them; one word each, for tables."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GB = 1 << 30


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Sparse:
    """A file of so many zeros that takes no room on the disk."""

    size: int
    head: bytes = b""


@dataclass(frozen=True)
class Repeated:
    """A file that is some bytes over and over."""

    piece: bytes
    times: int


class Fifo:
    """Nobody ever writes to it."""


class Socket:
    pass


class Folder:
    pass


class Gone:
    """A file of those that are usually there is not."""


Entry = bytes | str | Link | Sparse | Repeated | Fifo | Socket | Folder | Gone
Files = Mapping[str, Entry]


def plant(directory: Path, files: Files, **words: object) -> None:
    """Make the files in `directory`; `{word}` in a link's target or in text within [[ ]] is replaced."""
    for name, entry in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        _make(path, entry, words)


def _make(path: Path, entry: Entry, words: dict[str, object]) -> None:
    match entry:
        case bytes():
            path.write_bytes(entry)
        case str():
            path.write_text(_filled(entry, words), encoding="utf-8", errors="surrogatepass")
        case Link():
            path.symlink_to(_filled(entry.target, words))
        case Sparse():
            path.write_bytes(entry.head)
            os.truncate(path, entry.size)
        case Repeated():
            path.write_bytes(entry.piece * entry.times)
        case Fifo():
            os.mkfifo(path)
        case Socket():
            _bind(path)
        case Folder():
            path.mkdir()


def _filled(text: str, words: dict[str, object]) -> str:
    for word, value in words.items():
        text = text.replace(f"[[{word}]]", str(value))
    return text


def _bind(path: Path) -> None:
    """By a relative name: the path of a socket may have a hundred characters only."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def cases(table: Mapping[str, Any], quick: Iterable[str] = ()) -> list[Any]:
    """Parameters for each row by its name; those that are not `quick` are slow."""
    unknown = set(quick) - table.keys()
    assert not unknown, f"no such rows: {unknown}"
    return [
        pytest.param(row, id=name, marks=[] if name in set(quick) else [pytest.mark.slow])
        for name, row in table.items()
    ]
