"""How fast models were on this machine: a small file of the user's, read before a model is chosen."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import math
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lacuna.engine.device import processor
from lacuna.engine.device.runtime import Runtime
from lacuna.lsp_server import state_directory

MAX_BYTES = 1 << 16  # of the file: KEPT entries take 16 KB
KEPT = 64  # measurements, the newest
LOCK_SECONDS = 1.0  # for which another process may hold the file; then this measurement is taken again next time

_FORMAT = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conditions:
    """What a measurement is of. Where anything of it changes, it is taken again."""

    model: str
    adapter: str  # the setting's value
    device: str
    dtype: str
    threads: int
    processor: str  # the CPU's name, or the GPU's
    lacuna: str  # the version: another one may be faster, or bring another adapter

    @classmethod
    def of(cls, model: str, adapter: str, runtime: Runtime) -> Conditions:
        version = importlib.metadata.version("lacuna")
        return cls(
            model, adapter, runtime.device, runtime.dtype, runtime.threads, processor.name(runtime.device), version
        )


_TEXTS = tuple(field.name for field in fields(Conditions) if field.name != "threads")


@dataclass(frozen=True)
class Measurement:
    p50_ms: float  # what half of the warm keystrokes took at most
    # The only day, as in "2026-02-28", on which it counts: other programs took much of the CPU. "" counts for good.
    day: str = ""

    @property
    def counts(self) -> bool:
        return self.day in ("", date.today().isoformat())


Measurements = dict[Conditions, Measurement]


def default_path() -> Path:
    return state_directory.path() / "speed.json"


def read(path: Path) -> Measurements:
    """What was measured, the oldest first; nothing where there is no file.

    Raises OSError where it cannot be read or is no plain file, and ValueError where it is not such a file.
    """
    content = state_directory.read_json(path, MAX_BYTES)
    if content is None:
        return {}
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError("it is not a file of measurements that this version of Lacuna knows")
    entries = content.get("measured")
    if not isinstance(entries, list):
        raise ValueError("it has no list of measurements")
    return dict(map(_entry, entries))


def known(path: Path) -> Measurements:
    """What was measured; nothing, and a warning, where the file cannot be used: it is written anew."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read (%s): models are measured again", path, error)
        return {}


def keep(path: Path, conditions: Conditions, measurement: Measurement) -> bool:
    """Add a measurement to the file, which is replaced at once: nobody reads half of it. Whether that was done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            measured = known(path)
            measured.pop(conditions, None)  # so that it is the newest
            measured[conditions] = measurement
            _write(path, dict(list(measured.items())[-KEPT:]))
    except (OSError, Timeout) as error:
        _log.warning("a model's speed could not be written down: %s", error)
        return False
    return True


def _write(path: Path, measured: Measurements) -> None:
    entries = [{**asdict(conditions), **asdict(measurement)} for conditions, measurement in measured.items()]
    staged = path.with_suffix(".new")
    staged.unlink(missing_ok=True)  # nobody writes it now
    with staged.open("x", encoding="utf-8") as file:  # "x" follows no link that stands there again
        file.write(json.dumps({"format": _FORMAT, "measured": entries}, indent=1) + "\n")
    staged.replace(path)


def _entry(entry: object) -> tuple[Conditions, Measurement]:
    if not isinstance(entry, dict):
        raise ValueError("a measurement is no object")
    texts = {name: _value(entry, name, str) for name in _TEXTS}
    p50_ms = float(_value(entry, "p50_ms", float, int))
    if not 0.0 <= p50_ms < math.inf:
        raise ValueError("a measurement is no time")
    return Conditions(**texts, threads=_value(entry, "threads", int)), Measurement(p50_ms, _value(entry, "day", str))


def _value(entry: dict[str, Any], name: str, *kinds: type) -> Any:
    if type(entry.get(name)) not in kinds:
        raise ValueError(f"a measurement's {name} is not what it should be")
    return entry[name]
