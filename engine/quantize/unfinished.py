"""The directory that a run writes to, beside its target: new, or of a run that was stopped and goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lacuna.engine.quantize.sources import QuantizeError
from lacuna.engine.untrusted import config_file

BEGUN, LOCK = "quantize.json", "quantize.lock"
HALFWAY = ".halfway"


def place(target: Path) -> Path:
    """The directory's path. Raises QuantizeError for a target that is there."""
    if os.path.lexists(target):
        raise QuantizeError(f"{target} is there already: remove it, or choose another place")
    return target.with_name(f"{target.name}.unfinished")


@contextmanager
def begun(unfinished: Path, source: Path, options: Mapping[str, Any]) -> Iterator[None]:
    """For one run at a time, from the same weights with the same options as before, or QuantizeError is raised."""
    said = {"source": str(source.resolve()), "files": stamps(source), "options": dict(options)}
    if not unfinished.exists():
        unfinished.mkdir(parents=True)
        write_json(unfinished / BEGUN, said)
    elif not (unfinished / BEGUN).is_file() or config_file.read(unfinished / BEGUN).values != said:
        raise QuantizeError(f"{unfinished} was begun from other weights or with other options: remove it")
    lock = FileLock(unfinished / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise QuantizeError(f"another run writes to {unfinished}: wait for it, or choose another place") from error
    try:
        yield
    finally:
        lock.release()


def finish(unfinished: Path, target: Path, needless: Iterable[str]) -> None:
    """Makes it the target, without what only runs need: its own files, and those with these names."""
    unfinished.rename(target)
    for name in (BEGUN, LOCK, *needless):
        (target / name).unlink(missing_ok=True)


def stamps(source: Path) -> dict[str, list[int]]:
    """Size and time of each file of a checkpoint."""
    files = {file.name: file.stat() for file in sorted(source.glob("*")) if file.suffix in (".safetensors", ".json")}
    return {name: [found.st_size, found.st_mtime_ns] for name, found in files.items()}


def check_room(target: Path, wanted: int) -> None:
    """Raises QuantizeError where so many bytes have no room beside a target. Makes the directory for that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if wanted > free:
        raise QuantizeError(
            f"{target.parent} has {free / 1e9:.2f} GB of room, and {wanted / 1e9:.2f} GB are needed: make room, or "
            "choose another place"
        )


def write_json(file: Path, content: Any) -> None:
    """Whole or not at all."""
    halfway = file.with_suffix(HALFWAY)
    halfway.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(halfway, file)
