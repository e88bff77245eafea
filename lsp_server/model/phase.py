"""What a model is at."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    LOADING = "loading"
    READY = "ready"
    RESTING = "resting"  # nobody has asked for long; the next request loads it
    FAILED = "failed"
    GONE = "gone"  # nobody uses it, or there never was one
