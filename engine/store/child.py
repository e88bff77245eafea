"""Work in a process that can be ended at any time: it dies with the one that started it, however that dies."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

LOOK_SECONDS = 0.1  # between two looks at whether the work is still wanted
KEPT = 16 << 20  # bytes of what it writes
# Its stdin is a pipe that nothing is written to, and that ends with the parent, on every system.
_TIED = """
import os, runpy, sys, threading
def watch():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Done:
    """How it ended, and the end of what it wrote."""

    code: int
    out: str
    errors: str


def run(
    module: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    check: Callable[[], None] = lambda: None,
    isolated: bool = False,
) -> Done:
    """`python -m module arguments` to its end. `check` is called now and then; the process is killed where it raises.

    No module is looked for in the current directory; `isolated` ignores Python's environment variables too.
    """
    command = [sys.executable, "-P", *(["-E"] if isolated else []), "-c", _TIED, module, *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=out, stderr=errors) as process:
            try:
                _wait(process, check)
            finally:
                process.kill()
        return Done(process.returncode, _end_of(out), _end_of(errors))


def _wait(process: subprocess.Popen[bytes], check: Callable[[], None]) -> None:
    while True:
        check()
        try:
            process.wait(LOOK_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, 2)
    file.seek(max(0, size - KEPT))
    return file.read().decode("utf-8", "replace")
