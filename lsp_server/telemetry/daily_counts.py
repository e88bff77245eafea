"""Counts per day in a file of the user's: what `lacuna stats` prints. Numbers alone, and they stay on the machine."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from lacuna.engine.untrusted.safe_read import NotRegularError, TooLargeError
from lacuna.lsp_server import state_directory

SAVE_SECONDS = 60.0  # from the first new count until they are all written
LOCK_SECONDS = 1.0  # for which another server may hold the file; then it is tried again with the next counts
KEPT_DAYS = 400
MAX_BYTES = 1 << 20  # of the file: 400 days take 150 KB at most

Days = dict[str, Counter[str]]  # by date, as in "2026-02-28"

_FORMAT = 1
_log = logging.getLogger(__name__)


class Count(StrEnum):
    """What is counted. Characters are those that a suggestion adds to the document."""

    REQUESTS = "requests"
    SUGGESTED = "suggested"  # requests for which the model found something new
    SHOWN = "shown"  # suggestions of which an editor said that it has shown them; not all editors say so
    ACCEPTED = "accepted"  # suggestions that were taken whole
    ACCEPTED_CHARACTERS = "accepted_characters"
    PARTIALLY_ACCEPTED = "partially_accepted"  # suggestions of which words or lines were taken
    PARTIALLY_ACCEPTED_CHARACTERS = "partially_accepted_characters"
    CHECKED_AFTER_30_S = "checked_after_30_s"  # accepted characters whose document was then still open
    RETAINED_AFTER_30_S = "retained_after_30_s"  # those of them that still stood where they were put
    CHECKED_AFTER_5_MIN = "checked_after_5_min"
    RETAINED_AFTER_5_MIN = "retained_after_5_min"


class DailyCounts:
    """Collects counts and adds them to the file now and then. Several servers may do so at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new: Days = {}
        self._is_on = True
        self._saving: asyncio.Task[None] | None = None
        self._writing = Lock()  # the process may end after `close`: a thread must have ended its work by then

    def switch(self, on: bool) -> None:
        """Whether there should be a file. What was not written yet when it is switched off is forgotten."""
        self._is_on = on
        if not on:
            self._new = {}

    def add(self, count: Count, number: int = 1) -> None:
        """Something happened today. Call it on the event loop."""
        if self._is_on:
            self._new.setdefault(date.today().isoformat(), Counter())[count] += number
            if self._saving is None or self._saving.done():
                self._saving = asyncio.get_running_loop().create_task(self._save_later())

    def close(self) -> None:
        """Write what is not written yet, and wait for what is being written."""
        if self._saving is not None:
            self._saving.cancel()
        new, self._new = self._new, {}
        self._write(new)

    async def _save_later(self) -> None:
        """Until nothing is left to write; where that fails, until the next counts."""
        while self._new:
            await asyncio.sleep(SAVE_SECONDS)
            new, self._new = self._new, {}
            if not await asyncio.to_thread(self._write, new):
                self._new = merged(new, self._new)
                return

    def _write(self, new: Days) -> bool:
        with self._writing:
            return _save(self._path, new)


def default_path() -> Path:
    return state_directory.path() / "statistics.json"


def read(path: Path) -> Days:
    """What was counted, the oldest day first; nothing where there is no file.

    Raises OSError where it cannot be read or is no plain file, and ValueError where it is not such a file.
    """
    content = state_directory.read_json(path, MAX_BYTES)
    if content is None:
        return {}
    if not isinstance(content, dict) or content.get("format") != _FORMAT or not isinstance(content.get("days"), dict):
        raise ValueError("it is not a file of counts that this version of Lacuna knows")
    return {day: _counter(counts) for day, counts in sorted(content["days"].items())}


def merged(one: Mapping[str, Counter[str]], other: Mapping[str, Counter[str]]) -> Days:
    """The sums of both, day by day."""
    empty: Counter[str] = Counter()
    return {day: one.get(day, empty) + other.get(day, empty) for day in sorted({*one, *other})}


def _counter(counts: object) -> Counter[str]:
    if not isinstance(counts, dict) or not all(isinstance(number, int) for number in counts.values()):
        raise ValueError("a day's counts are not whole numbers")
    return Counter(counts)


def _save(path: Path, new: Days) -> bool:
    """Add counts to the file, which is replaced at once: nobody reads half of it. Returns whether that was done."""
    if not new:
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            days = merged(_read_or_set_aside(path), new)
            kept = {day: days[day] for day in sorted(days)[-KEPT_DAYS:]}
            staged = path.with_suffix(".new")
            staged.unlink(missing_ok=True)  # nobody writes it now
            with staged.open("x", encoding="utf-8") as file:  # "x" follows no link that stands there again
                file.write(json.dumps({"format": _FORMAT, "days": kept}, indent=1) + "\n")
            staged.replace(path)
    except (OSError, Timeout) as error:
        _log.warning("the counts for `lacuna stats` could not be written: %s", error)
        return False
    return True


def _read_or_set_aside(path: Path) -> Days:
    """What the file holds. What is no such file is kept beside it, and counting begins anew."""
    try:
        return read(path)
    except (ValueError, NotRegularError, TooLargeError) as error:
        aside = path.with_suffix(".damaged.json")
        path.replace(aside)
        _log.warning("%s could not be read (%s); it is kept as %s", path, error, aside.name)
        return {}
