"""Kernels in Triton's interpreter, in a process of its own: Triton must be told before it is imported, and what is
interpreted cannot be compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

HERE = Path(__file__).parent
FILES = sorted(str(path) for path in HERE.glob("interpreted_*.py"))


def test_as_torch_computes_it() -> None:
    """Of what fails there the end of the output says which."""
    assert len(FILES) == 5
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
