"""Answers to gaps, and the file that keeps them: an evaluation that was interrupted goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lacuna.engine.api import Features
from lacuna.engine.store import paths


@dataclass(frozen=True)
class Answer:
    """What a method says to one question."""

    text: str
    forwards: int  # passes through the network after both sides were read
    features: Features | None = None  # what the confidence model would judge it by; of the canvas' methods


class AnswerFile:
    """One JSON array a line, written as soon as it is known. Several processes may write: adapters share a base."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[tuple[str, str], Any] = {}
        self._file = path.open("a+b")
        self._lock = FileLock(path.with_suffix(".lock"))
        with self._lock:
            self._read()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, method: str, key: str) -> Any:
        """A JSON value, or None."""
        return self._found.get((method, key))

    def put(self, method: str, key: str, value: Any) -> None:
        self._found[method, key] = value
        with self._lock:
            self._file.write(json.dumps([method, key, value]).encode() + b"\n")
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
            method, key, value = json.loads(line)
            self._found[method, key] = value
        self._file.truncate(whole)


def as_json(answer: Answer) -> dict[str, Any]:
    return asdict(answer)


def from_json(value: dict[str, Any]) -> Answer:
    features = value["features"]
    said = None if features is None else Features(**features)
    return Answer(value["text"], value["forwards"], said)


def place(subject: str) -> Path:
    """Where a subject's answers are kept: in the user's cache, beside the models."""
    return paths.evaluations() / f"{subject}.jsonl"
