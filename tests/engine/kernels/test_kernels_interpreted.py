"""Kernels in Triton's interpreter, each file in a process of its own: Triton must be told before it is imported, and
what is to be interpreted can no longer be compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("interpreted_*.py"))


@pytest.mark.parametrize("file", FILES)
def test_as_torch_computes_it(file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / file)]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]


def test_all_files_are_found() -> None:
    assert len(FILES) >= 4
