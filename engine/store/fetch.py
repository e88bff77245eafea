"""Brings a repository of the Hugging Face hub onto the disk; and what every download needs: room, hashes, reports."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from lacuna.engine.store import child
from lacuna.engine.store.progress import Report, Stage
from lacuna.engine.store.pull_error import PullError, PullStopped

# At the root of a repository only. What runs code or would have to be unpickled is never fetched.
REPOSITORY_FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
# A quota or a limit on the size of files is a full disk to whoever runs into it.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REPORT_SECONDS = 0.25  # between two reports of a download
SPARE = 64 << 20  # bytes that the hub library may need for its notes


@dataclass(frozen=True)
class Snapshot:
    """A repository as it was at one commit, and the SHA-256 that the hub states for its large files, by name."""

    commit: str
    sha256: dict[str, str]


def fetch_repository(
    repository: str, revision: str | None, directory: Path, reserved: str, report: Report, stop: Event
) -> Snapshot:
    """Download a repository's weights, configuration and tokenizer into `directory`, and no file named `reserved`.

    Goes on from what an interrupted download left there. Raises PullError.
    """
    try:
        answer = asked("describe", repository, revision or "", look=partial(require_wanted, stop))
        commit, files = described(answer, lambda name: _is_wanted(name) and name.lower() != reserved)
        if not any(name.endswith(".safetensors") for name in files):
            raise PullError(f"{repository} holds no safetensors weights, and Lacuna reads no others")
        size = sum(file.size for file in files.values())
        look = partial(require_wanted, stop, directory, size + SPARE)
        with disk_space(directory, size - bytes_in(directory)), watched(directory, size, report):
            asked("download", repository, commit, str(directory), *files, look=look)
    except OSError as error:
        again = "\nRun `lacuna pull` again: it goes on where it was cut off" if bytes_in(directory) else ""
        raise PullError(f"{repository} could not be fetched: {error.strerror or error}{again}") from error
    _remove_others(directory, set(files))
    for name, file in files.items():
        _require_size(directory / name, file.size)
    return Snapshot(commit, {name: file.sha256 for name, file in files.items() if file.sha256})


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it; the SHA-256 is known of large ones."""

    size: int
    sha256: str | None


@contextmanager
def disk_space(directory: Path, needed: int) -> Iterator[None]:
    """Raise PullError where `directory` has no room for `needed` bytes more: before the block, or when it hits the end.

    In the latter case `directory` is removed, to give back what the half-made model took.
    """
    if shutil.disk_usage(directory).free < needed:
        raise PullError(_disk_full(directory, needed))
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        shutil.rmtree(directory, ignore_errors=True)
        raise PullError(_disk_full(directory.parent, needed)) from error


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_sha256(file: Path, found: str, expected: str) -> None:
    """Raise PullError, and remove `file`, if it is not the expected one."""
    if found != expected:
        file.unlink()
        raise other_file(file.name, found, expected)


def os_error(error: Exception | str, code: int | None = None) -> OSError:
    """An error of a library's. Those in Rust tell the errno in the message only."""
    said = re.search(r"os error (\d+)", str(error))
    return OSError(code or (int(said[1]) if said else errno.EIO), str(error))


@contextmanager
def watched(directory: Path, total: int, report: Report) -> Iterator[None]:
    """While the block fetches files into `directory`, report how much of `total` bytes is there."""
    finished = Event()

    def watch() -> None:
        while not finished.wait(REPORT_SECONDS):
            report(Stage.FETCHING, min(bytes_in(directory), total), total)

    report(Stage.FETCHING, 0, total)
    thread = Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
    report(Stage.FETCHING, total, total)


def require_wanted(stop: Event, directory: Path | None = None, most: int = 0) -> None:
    """Raises PullStopped when it is asked for, and PullError for a server that sends more than there is to come."""
    if stop.is_set():
        raise PullStopped("the pull was stopped")
    if directory is not None and bytes_in(directory) > most:
        raise PullError(f"the server sends more than the {most:,} bytes that were asked for: try another network")


def asked(*arguments: str, look: Callable[[], None]) -> Any:
    """The hub's answer to engine/store/hub_download.py. Raises OSError: EPROTO for one that makes no sense."""
    done = child.run("lacuna.engine.store.hub_download", arguments, env=os.environ, check=look)
    try:
        answer = json.loads(done.out.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise OSError(errno.EIO, f"the download ended early: {done.errors.strip()[-500:]}") from error
    if done.code == 0:
        return answer
    raise os_error(answer["error"], answer["errno"])


def described(answer: Any, is_wanted: Callable[[str], bool]) -> tuple[str, dict[str, RemoteFile]]:
    """The commit and the wanted files of what a server says of a repository. Raises OSError where it makes no sense."""
    files = {}
    for name, size, digest in answer["files"]:
        if isinstance(name, str) and is_wanted(name):
            if type(size) is not int or size < 0 or not isinstance(digest, str | None):
                raise OSError(errno.EPROTO, f"the server does not say how large {name[:80]} is")
            files[name] = RemoteFile(size, digest)
    if not re.fullmatch("[0-9a-f]{40}", str(answer["commit"])):
        raise OSError(errno.EPROTO, "the server names no commit")
    return str(answer["commit"]), files


def _is_wanted(name: str) -> bool:
    return "/" not in name and "\\" not in name and any(fnmatch(name, pattern) for pattern in REPOSITORY_FILES)


def bytes_in(directory: Path) -> int:
    """Also while somebody else moves files about in the directory."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def _remove_others(directory: Path, wanted: set[str]) -> None:
    """Drop the hub library's notes, and files that an interrupted download of an older commit left."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in wanted:
            entry.unlink()


def _require_size(file: Path, expected: int | None) -> None:
    found = file.stat().st_size if file.exists() else 0
    if expected is not None and found != expected:
        file.unlink(missing_ok=True)
        raise PullError(
            f"{file.name} is not whole: expected {expected:,} bytes, got {found:,}; run `lacuna pull` again"
        )


def other_file(name: str, found: str, expected: str) -> PullError:
    return PullError(
        f"{name} is not the file that was asked for: expected SHA-256 {expected}, got {found}\n"
        "The download or the server is broken; try again, or from another network"
    )


def _disk_full(directory: Path, needed: int) -> str:
    return (
        f"the disk is full: the model needs {needed:,} bytes in {directory}, and {shutil.disk_usage(directory).free:,} "
        "are free\nFree some space, or set LACUNA_CACHE to a directory on another disk"
    )
