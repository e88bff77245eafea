"""Kernels compiled ahead of time for GPUs that are not there: what they take, and how they multiply.

That says nothing of their speed. What a GPU computes with them was not looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "build" / "triton"  # a kernel that is as it was is not compiled anew
MOST_REGISTERS = 255
# Bytes of shared memory that a block can have, by generation: of 80, 90 and 100 more, but it is shared by blocks.
MOST_SHARED = 101_376
GENERATIONS = [80, 86, 89, 90, 100, 120]


def products(generation: int, rows: int) -> list[str]:
    """What a product of that many rows is made of: Hopper's and Blackwell's own instructions want 64 of them."""
    own = {90: "wgmma.mma_async", 100: "tcgen05.mma"}.get(generation, "mma.sync")
    return [own if rows >= 64 else "mma.sync"]


def compiled(generation: int, how_many: str) -> list[dict[str, Any]]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, str(HERE / "compile_kernels.py"), str(generation), how_many]
    run = subprocess.run(
        command, env=environment | {"TRITON_CACHE_DIR": str(CACHE)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-5000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


def check(kernel: dict[str, Any], generation: int) -> None:
    name = kernel["name"]
    assert kernel["registers"] <= MOST_REGISTERS and kernel["spilled"] == 0, name
    assert kernel["shared"] <= MOST_SHARED, name
    assert not kernel["flushes"], f"{name}: bit tricks need subnormal numbers"
    if name == "align":
        return
    assert kernel["products"] == products(generation, kernel["rows"]), name
    assert kernel["copies ahead"] > 0, f"{name}: loads are to run ahead of products"
    assert kernel["from integers"] == 0, f"{name}: conversions are slow"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_canvas(generation: int) -> None:
    kernels = compiled(generation, "few")
    assert len(kernels) == 5
    for kernel in kernels:
        check(kernel, generation)


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
def test_all_sizes_and_codecs(generation: int) -> None:
    kernels = compiled(generation, "many")
    assert len(kernels) == 55
    for kernel in kernels:
        check(kernel, generation)
