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
FILES = sorted(HERE.glob("interpreted_*.py"))
# A process for some files at once: most of its time is torch's and Triton's start.
GROUPS = {"products": ("align", "decode", "experts", "linear", "use")}
GROUPS["generations"] = ("generations",)
GROUPS["passes"] = ("decoder", "diffusion_gemma", "graphs", "launches")
GROUPS["between products"] = tuple(
    name for path in FILES if (name := path.stem.removeprefix("interpreted_")) not in sum(GROUPS.values(), ())
)
SLOW = {"generations"}  # 75 s of one core


@pytest.mark.parametrize("group", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in GROUPS])
def test_as_torch_computes_it(group: str) -> None:
    """Of what fails there the end of the output says which."""
    files = [str(HERE / f"interpreted_{name}.py") for name in GROUPS[group]]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
