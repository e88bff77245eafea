"""Logits of encoder and decoder against transformers' DiffusionGemma, on random tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_diffusion_gemma as tiny
import torch
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)
from transformers import DynamicCache

CLOSE = 1e-4


def reference_encode(model, ids: torch.Tensor):
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    hidden = model.model.encoder(input_ids=ids, past_key_values=cache).last_hidden_state
    raw = model.lm_head(hidden).float()
    cap = model.config.text_config.final_logit_softcapping
    return cap * torch.tanh(raw / cap), cache


def check_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < CLOSE


@pytest.mark.parametrize(
    ("seed", "window", "batch", "tokens"),
    [
        (0, 8, 1, 5),
        (1, 8, 1, 40),
        (2, 8, 3, 23),
        (3, 64, 2, 33),
        (4, 1024, 1, 600),
        (5, 16, 2, 16),
        (6, 16, 1, 17),
        (7, 64, 1, 1300),
    ],
)
@torch.inference_mode()
def test_encoder_and_decoder(tmp_path: Path, seed: int, window: int, batch: int, tokens: int) -> None:
    model = tiny.reference(seed, window)
    mine = tiny.ours(model, tmp_path)
    ids, canvas = tiny.prompt(seed, batch, tokens), tiny.prompt(seed + 50, batch, tiny.CANVAS)
    encoded, reference_cache = reference_encode(model, ids)
    cache = mine.cache(batch)
    check_same(mine.logits(mine.read(ids, cache)), encoded)

    def decode(conditioning: torch.Tensor | None) -> torch.Tensor:
        return model(
            decoder_input_ids=canvas, past_key_values=reference_cache, self_conditioning_logits=conditioning
        ).logits

    first = decode(None)
    check_same(mine.logits(mine.denoise(canvas, cache)), first)
    second = decode(first / 0.7)
    expected = mine.expect((first / 0.7).softmax(-1))
    check_same(mine.logits(mine.denoise(canvas, cache, expected)), second)
    some = torch.tensor([2, 3, 11])
    check_same(mine.logits(mine.denoise(canvas, cache, expected, some)), second[:, some])
    for positions in (1, 7):  # a canvas may be shorter than the model's own
        canvas = canvas[:, :positions]
        check_same(mine.logits(mine.denoise(canvas, cache)), decode(None))


@torch.inference_mode()
def test_from_ten_layers_on_transformers_numbers_them_with_two_digits(tmp_path: Path) -> None:
    model = tiny.reference(0, 16, num_hidden_layers=12)
    mine = tiny.ours(model, tmp_path)
    ids = tiny.prompt(0, 1, 20)
    check_same(mine.logits(mine.read(ids, mine.cache(1))), reference_encode(model, ids)[0])
