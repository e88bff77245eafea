"""Which products take the kernels, and what is said of those that do not."""

from __future__ import annotations

import logging

import pytest
import torch

from lacuna.engine.kernels import availability
from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.packed_kernels import refusal
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.mxfp4 import Mxfp4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4


@pytest.fixture(autouse=True)
def _anew() -> None:
    refusal.cache_clear()


def test_on_a_cpu_nothing_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert refusal(Int4, "cpu", torch.bfloat16) == "a CPU does not run them"
    assert not caplog.records


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_reasons_are_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert refusal(Int4, "mps", torch.bfloat16) == "mps is no NVIDIA GPU"
        assert refusal(torch.Tensor, "cuda", torch.float32) == "they compute in bfloat16, not in float32"
        assert refusal(Int4, "cuda", torch.bfloat16) == "torch finds no GPU"
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(availability, "obstacle", lambda: "the package triton is missing")
        assert refusal(Nvfp4, "cuda", torch.bfloat16) == "the package triton is missing"
    because = "decoded at every use, not by kernels"
    assert [record.message for record in caplog.records] == [
        f"products with weights in INT4: {because}: mps is no NVIDIA GPU",
        f"products with weights in floats: {because}: they compute in bfloat16, not in float32",
        f"products with weights in INT4: {because}: torch finds no GPU",
        f"products with weights in NVFP4: {because}: the package triton is missing",
    ]


def test_they_are_used_once_they_are_right(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Each codec by itself; what the check finds counts, and it is asked once."""
    asked = []

    def check(kind: type, device: str, dtype: torch.dtype) -> str:
        asked.append(kind)
        return "their product of 16 rows differs from torch's" if kind is Nvfp4 else ""

    monkeypatch.setattr(packed_kernels, "_missing", lambda device, dtype: "")
    monkeypatch.setattr(packed_kernels, "_wrong", check)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert refusal(Int4, "cuda", torch.bfloat16) == ""
            assert "16 rows" in refusal(Nvfp4, "cuda", torch.bfloat16)
            assert refusal(Mxfp4, "cuda", torch.bfloat16) == "they do not know it"
    assert asked == [Int4, Nvfp4]
    assert [record.message.partition(": ")[2][:20] for record in caplog.records] == [
        "by kernels in Triton",
        "decoded at every use",
        "decoded at every use",
    ]


def test_what_the_check_meets_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from lacuna.engine.layers import kernel_check

    def fail(*_: object) -> str:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    monkeypatch.setattr(kernel_check, "differs", fail)
    assert (
        packed_kernels._wrong(Int4, "cuda", torch.bfloat16)
        == "they do not run: RuntimeError: Failed to find C compiler."
    )
