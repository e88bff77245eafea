"""The latency bench: it runs with whatever model it is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import latency
import pytest
import tiny_diffusion_gemma


async def test_a_directory_of_another_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = await latency.measure((20,), 2, str(tiny_diffusion_gemma.write(tmp_path)))
    assert figures["forwards"] > 0, "the model was asked"
    assert figures["warm_p50_ms"] > 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[1] for row in rows] == ["no", "warm", "cold", "with", "next"]


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    command = [sys.executable, latency.__file__, "--model", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "not a model directory" in done.stderr
    assert not done.stdout
