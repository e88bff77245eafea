"""Programs that a model wrote are run as processes of their own, in a directory of their own, under limits.

A guard against accidents (endless loops, full memory and disks), not against malice. Needs a Unix.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lacuna.engine.evaluate.candidate import PASSED

_CANDIDATE = Path(__file__).with_name("candidate.py")


@dataclass(frozen=True)
class Limits:
    seconds: int = 10  # of the clock; of the CPU as well
    megabytes: int = 1000  # of address space


LIMITS = Limits()


@dataclass(frozen=True)
class Verdict:
    passed: bool
    reason: str  # why not: the exception's name, or what stopped it


def run(program: str, limits: Limits = LIMITS) -> Verdict:
    """Whether a Python program comes to its end without an exception."""
    with tempfile.TemporaryDirectory(prefix="lacuna-candidate-") as folder:
        file, errors = Path(folder, "program.py"), Path(folder, "errors")
        file.write_text(program, encoding="utf-8", errors="replace")
        command = [sys.executable, "-I", str(_CANDIDATE), str(file), str(limits.seconds), str(limits.megabytes)]
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={"PYTHONHASHSEED": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
            status = _wait(process, limits.seconds)
        return _verdict(status, errors.read_text(encoding="utf-8", errors="replace"))


def run_all(programs: Iterable[str], limits: Limits = LIMITS, at_once: int = 1) -> Iterator[Verdict]:
    """Their verdicts in order, as they come."""
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda program: run(program, limits), programs)


def _wait(process: subprocess.Popen[bytes], seconds: int) -> int | None:
    """The exit status, None after too long; and nothing that the program started is left."""
    try:
        return process.wait(seconds + 1)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _verdict(status: int | None, errors: str) -> Verdict:
    if status == PASSED:
        return Verdict(True, "")
    if status is None or status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return Verdict(False, "timeout")
    if status < 0:
        return Verdict(False, signal.Signals(-status).name)
    last = errors.rstrip().rpartition("\n")[2]  # candidate.py writes the exception's name
    return Verdict(False, last if status == 1 and last.isidentifier() else f"exit status {status}")
