"""Where small files of the server's own are kept between runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import platformdirs

from lacuna.engine.untrusted.safe_read import read_regular


def path() -> Path:
    """The user's state directory, or that of the environment variable LACUNA_STATE."""
    state = os.environ.get("LACUNA_STATE")
    return Path(state).expanduser() if state else platformdirs.user_state_path("lacuna", appauthor=False)


def read_json(path: Path, most: int) -> Any:
    """The content of a file of at most so many bytes; None where there is none.

    Raises OSError where it cannot be read or is no plain file, and ValueError where it is no JSON.
    """
    try:
        return json.loads(read_regular(path, most))
    except FileNotFoundError:
        return None
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
