"""The script that runs all that wants a GPU: a step that fails stops no other, and all end within 15 minutes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "on_gpu.sh"
STEPS = ["kernels", "int4", "fp8", "keystrokes", "tests", "bf16", "nvfp4", "blocks"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CUDA with Triton is Linux")


def run(folder: Path, program: str, *steps: str) -> subprocess.CompletedProcess[str]:
    """With a shell program in place of Python."""
    stand_in = folder / "python"
    stand_in.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    environment = os.environ | {"PYTHON": str(stand_in)}
    return subprocess.run(
        [SCRIPT, folder / "out", *steps], env=environment, capture_output=True, text=True, check=False
    )


def test_a_step_that_fails_stops_no_other(tmp_path: Path) -> None:
    done = run(tmp_path, 'echo "ran $*"; case "$*" in *fp8*) exit 3;; esac')
    lines = (tmp_path / "out" / "summary.txt").read_text("utf-8").splitlines()
    assert [line.partition(":")[0] for line in lines] == STEPS
    assert [line for line in lines if "exit 0" not in line] == [lines[2]] and "exit 3" in lines[2]
    assert done.returncode == 1
    assert all("ran " in (tmp_path / "out" / f"{step}.log").read_text("utf-8") for step in STEPS)


def test_steps_are_chosen_and_unknown_ones_told(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 0", "fp8", "bf16").returncode == 0
    assert len((tmp_path / "out" / "summary.txt").read_text("utf-8").splitlines()) == 2
    told = run(tmp_path, "exit 0", "fp16")
    assert told.returncode == 1 and "fp16 is no step" in told.stderr


def test_all_limits_together_are_less_than_fifteen_minutes() -> None:
    limits = {name: int(limit) for name, limit in re.findall(r"step \"?(\$?\w+)\"? (\d+) ", SCRIPT.read_text("utf-8"))}
    assert len(limits) == len(STEPS) - 2, "three forms have one line"
    assert sum(limits.values()) + 2 * limits["$one"] <= 15 * 60
