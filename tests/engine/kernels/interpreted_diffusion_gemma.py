"""A whole tiny DiffusionGemma on kernels in Triton's interpreter: it generates what it generates without them."""

from __future__ import annotations

import pytest
import tiny_diffusion_gemma as tiny
import torch

from lacuna.engine.families.diffusion_gemma.block_diffusion import Pins, denoise
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.heads import TritonHead
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma
from lacuna.engine.kernels import availability

CONFIG = EntropyBoundConfig(max_denoising_steps=2, t_min=0.2, t_max=0.4, entropy_bound=1.0, confidence_threshold=0.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[DiffusionGemma, DiffusionGemma]:
    """With kernels, and without; both on CPU, with a layer of each kind and a window of 4 tokens."""
    layers = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    reference = tiny.reference(7, 4, 0.3, embedding=1.0, **layers, **heads)
    directory = tmp_path_factory.mktemp("model")
    plain = tiny.ours(reference, directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(availability, "are_available", lambda device: True)
        fused = tiny.ours(reference, directory)
    assert isinstance(fused.decide, TritonHead) and not isinstance(plain.decide, TritonHead)
    return fused, plain


@torch.inference_mode()
def test_same_canvases(models: tuple[DiffusionGemma, DiffusionGemma]) -> None:
    """One text serves two canvases, and only some tokens may stand at a position."""
    only = torch.arange(tiny.VOCABULARY) % 7 == 3
    pins = Pins(torch.tensor([0, 1, 3]), allowed={1: only})
    runs, hidden = [], []
    for model in models:
        cache, canvas = model.cache(), tiny.prompt(5, 2, 4)
        hidden.append(model.read(tiny.prompt(3, 1, 6), cache))
        runs.append(list(denoise(model, cache, canvas, CONFIG, Noise(4, tiny.VOCABULARY, "cpu"), pins)))
    torch.testing.assert_close(*hidden, atol=1e-5, rtol=1e-5)
    assert [len(run) for run in runs] == [CONFIG.max_denoising_steps] * 2
    for fused, plain in zip(*runs, strict=True):
        assert fused.canvas.equal(plain.canvas)
        assert fused.best.equal(plain.best)
        assert fused.accepted.equal(plain.accepted)
        torch.testing.assert_close(fused.entropy, plain.entropy, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(fused.confidence, plain.confidence, atol=1e-5, rtol=1e-4)
        assert only[fused.best[:, 1]].all()


@torch.inference_mode()
def test_scores_are_the_same(models: tuple[DiffusionGemma, DiffusionGemma]) -> None:
    """The encoder's way: one token at a time behind the window, then several."""
    found = []
    for model in models:
        cache = model.cache()
        model.encode(tiny.prompt(1, 1, 5), cache)
        steps = [model.read(tiny.prompt(2, 1, count), cache) for count in (1, 2)]
        found.append(model.logits(torch.cat(steps, dim=1)))
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)
