"""Where small files of the server's own are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def path() -> Path:
    """The user's state directory, or that of the environment variable LACUNA_STATE."""
    state = os.environ.get("LACUNA_STATE")
    return Path(state).expanduser() if state else platformdirs.user_state_path("lacuna", appauthor=False)
