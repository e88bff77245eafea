"""Whole generations with the same noise as transformers' DiffusionGemma: every canvas, every stop, every token."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import tiny_diffusion_gemma as tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import DiffusionGemmaForBlockDiffusion
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from engine.block_diffusion import Draft, Pins, denoise, finalize, generate
from engine.entropy_bound import EntropyBoundConfig, Noise
from engine.models.diffusion_gemma.model import DiffusionGemma

WINDOW = 8
SHARP = EntropyBoundConfig(max_new_tokens=48, max_denoising_steps=12, t_min=0.02, t_max=0.05, eos_token_ids=(1,))


class Recorder:
    """A streamer of the reference that keeps its drafts."""

    def __init__(self) -> None:
        self.drafts: list[torch.Tensor] = []

    def put(self, value: torch.Tensor) -> None: ...

    def put_draft(self, value: torch.Tensor) -> None:
        self.drafts.append(value.clone())

    def end(self) -> None: ...


def sample(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The rule of `draw`, for every row and without shortcuts: the best token has the first interval, then all others by id."""
    chosen = []
    for row, number in zip(probabilities.double(), uniform.double(), strict=True):
        best = int(row.argmax())
        order = [best, *(token for token in range(len(row)) if token != best)]
        chosen.append(order[min(int((row[order].cumsum(-1) <= number).sum()), len(row) - 1)])
    return torch.tensor(chosen)


def reference_run(
    model: DiffusionGemmaForBlockDiffusion, ids: torch.Tensor, config: EntropyBoundConfig, seed: int
) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """The canvases the reference's decoder was given, its drafts and its tokens, with our noise in place of torch's."""
    noise, recorder = Noise(seed, tiny.VOCABULARY, "cpu"), Recorder()
    canvases: list[torch.Tensor] = []
    hook = model.model.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: canvases.append(kwargs["decoder_input_ids"].clone()), with_kwargs=True
    )
    options = asdict(config)
    options["sampler_config"] = EntropyBoundSamplerConfig(entropy_bound=options.pop("entropy_bound"))
    options["eos_token_id"] = list(options.pop("eos_token_ids"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randint", lambda low, high, size, device: noise.ids(*size))
        patch.setattr(torch, "multinomial", lambda p, num_samples: sample(p, noise.uniform(len(p)))[:, None])
        output = model.generate(input_ids=ids, streamer=recorder, **options)
    hook.remove()
    return canvases, recorder.drafts, output.sequences[:, ids.shape[1] :]


def own_run(model: DiffusionGemma, ids: torch.Tensor, config: EntropyBoundConfig, seed: int) -> list[Draft]:
    cache = model.cache(len(ids))
    model.encode(ids, cache)
    return list(generate(model, cache, config, Noise(seed, tiny.VOCABULARY, "cpu")))


def emitted(drafts: list[Draft]) -> torch.Tensor:
    return torch.cat([draft.emitted for draft in drafts if draft.emitted is not None], dim=1)


@pytest.mark.parametrize(
    ("seed", "batch", "tokens", "changes"),
    [
        (0, 1, 5, {}),
        (1, 1, 40, {"entropy_bound": 1.0}),
        (2, 3, 20, {"confidence_threshold": 0.3}),
        (3, 2, 7, {"confidence_threshold": 0.5, "stability_threshold": 2, "entropy_bound": 2.0}),
        (4, 2, 30, {"confidence_threshold": 0.9, "stability_threshold": 0, "t_min": 0.4, "t_max": 0.8}),
        (5, 2, 12, {"confidence_threshold": 0.5, "eos_token_ids": tuple(range(1, 7))}),
    ],
)
@torch.inference_mode()
def test_same_generation(tmp_path: Path, seed: int, batch: int, tokens: int, changes: dict) -> None:
    config = EntropyBoundConfig(**(asdict(SHARP) | changes))
    model = tiny.reference(seed, WINDOW)
    ids = tiny.prompt(seed, batch, tokens)
    canvases, drafts, sequences = reference_run(model, ids, config, seed)
    found = own_run(tiny.ours(model, tmp_path), ids, config, seed)
    assert len(found) == len(drafts), "the same number of steps"
    for draft, expected in zip(found, drafts, strict=True):
        assert draft.best.equal(expected)
    for draft, following in zip(found, canvases[1:], strict=False):
        assert draft.emitted is not None or draft.canvas.equal(following)
    assert emitted(found).equal(sequences)


