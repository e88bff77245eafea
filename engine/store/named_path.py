"""What a user gives where a name or a path may stand.

A name is never looked up in the current directory: of a server that is the workspace, which may be a stranger's.
"""

from __future__ import annotations

import os
from pathlib import Path

HOW = "a path is absolute, or begins with ./, ../ or ~"
_RELATIVE = tuple(dots + separator for dots in (".", "..") for separator in (os.sep, os.altsep) if separator)


def path(given: str) -> Path | None:
    """The path that is meant; None for a name. Raises ValueError for a ~ that stands for nobody's home."""
    if given.startswith("~"):
        try:
            return Path(given).expanduser()
        except RuntimeError as error:
            raise ValueError(f"{given}: {error}") from error
    relative = given in (".", "..") or given.startswith(_RELATIVE)
    return Path(given) if relative or Path(given).is_absolute() else None
