"""The error of every file of a model or an adapter that cannot be used, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

ADVICE = "get it anew (`lacuna pull`, `lacuna train gap`), or choose another"


class LoadError(ValueError):
    """A model or an adapter that cannot be loaded. The message names the file, what is wrong, and what to do."""

    @staticmethod
    def of(file: str | Path, problem: str) -> LoadError:
        return LoadError(f"{file}: {problem}: {ADVICE}")
