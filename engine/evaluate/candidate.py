"""Runs one program under limits and says by its exit status whether it came to its end. A process of its own:

python -I candidate.py PROGRAM SECONDS MEGABYTES
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

PASSED = 77  # an exit status that no program has by chance: one that ends itself with 0 has not passed
FILE_BYTES = 1_000_000
OPEN_FILES = 32


def main() -> None:
    program, seconds, megabytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    text = program.read_text(encoding="utf-8")
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: megabytes * 1_000_000,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    for module in ("socket", "_socket", "subprocess", "_posixsubprocess"):
        sys.modules[module] = None  # type: ignore[assignment]  # importing it fails: no network, no other programs
    sys.excepthook = lambda kind, error, trace: print(kind.__name__, file=sys.stderr)
    exec(compile(text, "candidate", "exec"), {"__name__": "candidate"})
    os._exit(PASSED)


if __name__ == "__main__":
    main()
