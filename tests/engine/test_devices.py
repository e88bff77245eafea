"""The gap family on other devices gives what it gives on the CPU."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from embedded import canvas_of, embedded, gap_cases, read
from tiny_model import write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Gap
from lacuna.engine.device import runtime
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.train import run
from lacuna.engine.train.documents import Document, Documents
from lacuna.engine.train.trainer import TrainConfig

DEVICES = [
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]),
    pytest.param("mps", marks=[pytest.mark.mps, pytest.mark.skipif(not torch.mps.is_available(), reason="no MPS")]),
]


@pytest.mark.weights
@pytest.mark.parametrize("device", DEVICES)
@torch.inference_mode()
def test_a_device_computes_what_the_cpu_does(device: str) -> None:
    there = load.load(model_store.EMBEDDED, runtime.choose(device=device, dtype="float32"))
    for case in gap_cases():
        rows = [
            at.denoiser.denoise_between(read(at, case["prefix_ids"], case["suffix_ids"]), [canvas_of({0: 262})])[
                0
            ].cpu()
            for at in (embedded(), there)
        ]
        torch.testing.assert_close(*rows, atol=1e-2, rtol=0)
        gap = Gap(case["prefix"], case["suffix"], "python")
        assert there.infill(gap, num_candidates=2)[0].text == embedded().infill(gap, num_candidates=2)[0].text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_a_captured_pass_learns_what_an_eager_one_does(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    documents = [Document("python", Path(__file__).read_text(encoding="utf-8"))]
    trained = run.Run(str(model), documents, tmp_path / "run", TrainConfig(), start=model, device="cuda").trainer
    windows = partial(Documents(documents, 0).window, tokenizer=Tokenizer(model / "tokenizer.json"))
    batches = [found for number in range(4) if (found := trained._batch(windows, number)) is not None]
    learned = []
    for learn in (trained._gradients, trained._learn):
        trained._optimizer.zero_grad(set_to_none=False)
        sums = [learn(batch) for batch in batches]
        gradients = [parameter.grad.clone() for parameter in trained._parameters.values()]
        learned.append((torch.stack(sums), torch.cat([gradient.flatten() for gradient in gradients])))
    (eager, gradients), (captured, found) = learned
    torch.testing.assert_close(captured, eager, atol=1e-2, rtol=1e-3)
    assert (found - gradients).norm() < 0.05 * gradients.norm()


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    if (device == "cuda" and torch.cuda.is_available()) or (device == "mps" and torch.mps.is_available()):
        pytest.skip("it is there")
    with pytest.raises(ValueError, match=device):
        runtime.choose(device=device)


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match="float16"):
        runtime.choose(dtype="float16")
