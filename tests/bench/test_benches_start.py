"""Every bench that is run by hand starts and says how: what argparse is given wrong, mypy does not see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = sorted(
    path
    for path in (Path(__file__).parents[2] / "bench").glob("*.py")
    if "ArgumentParser" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda path: path.stem)
def test_says_how_it_is_run(bench: Path) -> None:
    done = subprocess.run([sys.executable, bench, "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"usage: {bench.name}" in done.stdout
