"""The gap family on other devices gives what it gives on the CPU."""

from __future__ import annotations

import pytest
import torch
from embedded import canvas_of, embedded, preview_cases, read

from engine import filler, hub, runtime
from engine.gap import Gap

DEVICES = [
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]),
    pytest.param("mps", marks=[pytest.mark.mps, pytest.mark.skipif(not torch.mps.is_available(), reason="no MPS")]),
]


@pytest.mark.weights
@pytest.mark.parametrize("device", DEVICES)
@torch.inference_mode()
def test_a_device_computes_what_the_cpu_does(device: str) -> None:
    there = filler.load(hub.EMBEDDED, runtime.choose(device=device, dtype="float32"))
    for case in preview_cases():
        rows = [
            at.denoiser.denoise_between(read(at, case["prefix_ids"], case["suffix_ids"]), [canvas_of({0: 262})])[
                0
            ].cpu()
            for at in (embedded(), there)
        ]
        torch.testing.assert_close(*rows, atol=1e-2, rtol=0)
        gap = Gap(case["prefix"], case["suffix"], "python")
        assert there.infill(gap, drafts=2)[0].text == embedded().infill(gap, drafts=2)[0].text


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    if (device == "cuda" and torch.cuda.is_available()) or (device == "mps" and torch.mps.is_available()):
        pytest.skip("it is there")
    with pytest.raises(ValueError, match=device):
        runtime.choose(device=device)


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match="float16"):
        runtime.choose(dtype="float16")
