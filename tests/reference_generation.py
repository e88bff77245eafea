"""Whole generations of transformers' DiffusionGemma with our noise in place of torch's."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import tiny_diffusion_gemma as tiny
import torch
from transformers import DiffusionGemmaForBlockDiffusion
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from lacuna.engine.families.diffusion_gemma.block_diffusion import CanvasState, generate
from lacuna.engine.families.diffusion_gemma.entropy_bound import EntropyBoundConfig, Noise
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma


class Recorder:
    """A streamer of the reference that keeps its drafts."""

    def __init__(self) -> None:
        self.candidates: list[torch.Tensor] = []

    def put(self, value: torch.Tensor) -> None: ...

    def put_draft(self, value: torch.Tensor) -> None:
        self.candidates.append(value.clone())

    def end(self) -> None: ...


def sample(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The rule of `draw` without shortcuts: the best token has the first interval, then all others by id."""
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
    randint = torch.randint
    with pytest.MonkeyPatch.context() as patch:
        # Noise itself calls torch.randint, with a generator.
        patch.setattr(torch, "randint", lambda *a, **k: randint(*a, **k) if "generator" in k else noise.ids(*k["size"]))
        patch.setattr(torch, "multinomial", lambda p, num_samples: sample(p, noise.uniform(len(p)))[:, None])
        output = model.generate(input_ids=ids, streamer=recorder, **options)
    hook.remove()
    return canvases, recorder.candidates, output.sequences[:, ids.shape[1] :]


def own_run(model: DiffusionGemma, ids: torch.Tensor, config: EntropyBoundConfig, seed: int) -> list[CanvasState]:
    cache = model.cache(len(ids))
    model.encode(ids, cache)
    return list(generate(model, cache, config, Noise(seed, tiny.VOCABULARY, "cpu")))


def emitted(drafts: list[CanvasState]) -> torch.Tensor:
    return torch.cat([draft.emitted for draft in drafts if draft.emitted is not None], dim=1)
