"""Prints the inventory."""

from __future__ import annotations

import sys
from pathlib import Path

from .storage import load


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: report.py FILE")
        return 1
    inventory = load(Path(sys.argv[1]))
    for item in inventory.items:
        print(item)
    return 0


if __name__ == "__main__":
    sys.exit(main())
