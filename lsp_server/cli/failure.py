"""How a command ends that cannot do what was asked."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def fail(message: str) -> NoReturn:
    """Ends the command: `message` says what is wrong and what to do."""
    print(f"lacuna: {message}", file=sys.stderr)
    raise typer.Exit(1)
