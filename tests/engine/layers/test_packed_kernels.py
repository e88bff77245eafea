"""Which products take the kernels, and what is said of those that do not."""

from __future__ import annotations

import importlib.util
import logging

import pytest
import torch

from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.packed_kernels import in_words, refusal


@pytest.fixture(autouse=True)
def _anew() -> None:
    refusal.cache_clear()


def test_on_a_cpu_nothing_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert refusal("cpu", torch.bfloat16) == "a CPU does not run them"
    assert not caplog.records


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_reasons_are_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert refusal("mps", torch.bfloat16) == "mps is no NVIDIA GPU"
        assert refusal("cuda", torch.float32) == "they compute in bfloat16, not in float32"
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert refusal("cuda", torch.bfloat16) == "Triton is not installed"
    assert [record.message for record in caplog.records] == [
        "products with packed weights: decoded at every use, not by kernels: mps is no NVIDIA GPU",
        "products with packed weights: decoded at every use, not by kernels: they compute in bfloat16, not in float32",
        "products with packed weights: decoded at every use, not by kernels: Triton is not installed",
    ]


def test_they_are_used_once_they_are_right(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What the check finds counts, and it is asked once."""
    asked = []

    def check(device: str, dtype: torch.dtype) -> str:
        asked.append(device)
        return "their product with INT4 differs from torch's" if len(asked) == 1 else ""

    monkeypatch.setattr(packed_kernels, "_missing", lambda device, dtype: "")
    monkeypatch.setattr(packed_kernels, "_wrong", check)
    assert refusal("cuda", torch.bfloat16) == refusal("cuda", torch.bfloat16) != ""
    refusal.cache_clear()
    with caplog.at_level(logging.INFO):
        assert refusal("cuda", torch.bfloat16) == refusal("cuda", torch.bfloat16) == ""
    assert len(asked) == 2
    assert [record.message for record in caplog.records] == ["products with packed weights: by kernels in Triton"]
    assert in_words("") == "by kernels in Triton"


def test_what_the_check_meets_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from lacuna.engine.layers import kernel_check

    def fail(device: torch.device, dtype: torch.dtype) -> str:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    monkeypatch.setattr(kernel_check, "differs", fail)
    assert packed_kernels._wrong("cuda", torch.bfloat16) == "RuntimeError: Failed to find C compiler."
