"""What Lacuna keeps on the user's machine between runs, and where."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def models() -> Path:
    """Models that were pulled."""
    return _root() / "models"


def corpus() -> Path:
    """The texts that adapters are trained and measured on: `<split>.jsonl`."""
    return _root() / "corpus"


def training() -> Path:
    """Training runs by name: their state, and the adapters that come of them."""
    return _root() / "training"


def evaluations() -> Path:
    """Answers that evaluations have had from models."""
    return _root() / "evaluations"


def _root() -> Path:
    """The user's cache directory, or that of the environment variable LACUNA_CACHE."""
    elsewhere = os.environ.get("LACUNA_CACHE")
    return Path(elsewhere).expanduser() if elsewhere else platformdirs.user_cache_path("lacuna")
