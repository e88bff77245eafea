"""Where kernels are not tried, and what is said then."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from lacuna.engine.kernels import availability


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_they_are_for_cuda(device: str) -> None:
    assert not availability.are_available(device)


def test_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert availability.obstacle() == "the package triton is missing"


def test_on_an_old_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert availability.obstacle() == "this GPU has compute capability 7.5, and they need 8.0"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a driver")
def test_where_triton_finds_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert availability.obstacle().startswith("Triton does not start: ")


@pytest.mark.parametrize("wrong", ["", "gates"])
def test_what_is_not_right_on_the_device_is_not_used(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from lacuna.engine.kernels import elementwise_check

    monkeypatch.setattr(elementwise_check, "differs", lambda device, dtype: wrong)
    assert availability.fault("cuda") == ("what they compute differs from torch's: gates" if wrong else "")


def test_kernels_that_do_not_run_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from lacuna.engine.kernels import elementwise_check

    def fails(device: torch.device, dtype: torch.dtype) -> str:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(elementwise_check, "differs", fails)
    assert availability.fault("cuda") == "they do not run: RuntimeError: no kernel image is available"


def test_a_full_device_says_nothing_of_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from lacuna.engine.kernels import elementwise_check

    def fails(device: torch.device, dtype: torch.dtype) -> str:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(elementwise_check, "differs", fails)
    with pytest.raises(torch.OutOfMemoryError):
        availability.fault("cuda")
