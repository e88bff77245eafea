"""The held-out files of the corpus: one JSON object per line, made by `lacuna corpus build`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import TypeVar

from lacuna.engine.store import paths

MAX_CHARACTERS = 60_000  # of a file: larger ones are data
SEED = 0

Trial = TypeVar("Trial")


@dataclass(frozen=True)
class HeldOut:
    path: str
    language: str
    text: str


def held_out(path: Path | None = None) -> list[HeldOut]:
    """The files, in an order that is the same every time and mixes packages. Exits where there are none."""
    path = path or paths.corpus() / "test.jsonl"
    if not path.exists():
        raise SystemExit(f"{path} is not there: `lacuna corpus build` makes it")
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    files = [HeldOut(row["path"], row["language"], row["text"]) for row in rows if len(row["text"]) <= MAX_CHARACTERS]
    Random(SEED).shuffle(files)
    return files


def trials(files: list[HeldOut], make: Callable[[HeldOut], list[Trial]], count: int) -> list[Trial]:
    """Up to `count` trials that files have a place for: one of each file, then a second of each, and so on."""
    chosen: list[Trial] = []
    for row in zip_longest(*(_shuffled(make(file), file.path) for file in files)):
        chosen += [trial for trial in row if trial is not None]
        if len(chosen) >= count:
            break
    return chosen[:count]


def _shuffled(made: list[Trial], path: str) -> Iterator[Trial]:
    Random(f"{SEED} {path}").shuffle(made)
    return iter(made)
