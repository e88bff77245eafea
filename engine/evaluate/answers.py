"""The file that keeps what a model answered: an evaluation that was interrupted goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

from lacuna.engine.store import paths


class AnswerFile:
    """One JSON array a line, written as soon as it is known. Several processes may write."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Any] = {}
        self._file = path.open("a+b")
        self._lock = FileLock(path.with_suffix(".lock"))
        with self._lock:
            self._read()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str) -> Any:
        """A JSON value, or None."""
        return self._found.get(key)

    def put(self, key: str, value: Any) -> None:
        self._found[key] = value
        with self._lock:
            self._file.write(json.dumps([key, value]).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):  # a process was killed while it wrote
                break
            whole += len(line)
            key, value = json.loads(line)
            self._found[key] = value
        self._file.truncate(whole)


def place(subject: str) -> Path:
    """Where a subject's answers are kept: in the user's cache, beside the models."""
    return paths.evaluations() / f"{subject}.jsonl"
