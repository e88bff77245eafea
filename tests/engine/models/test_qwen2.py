"""Qwen 2 through the decoder, against transformers' Qwen2ForCausalLM on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_model import write_tiny_fim_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from lacuna.engine.device import runtime
from lacuna.engine.families.gap.kv_context import causal
from lacuna.engine.models import architectures
from lacuna.engine.models.decoder import Decoder
from lacuna.engine.train import frozen

SHAPES = [(64, 4, 2, 2, True), (96, 6, 2, 3, False), (80, 5, 1, 1, False), (64, 4, 4, 2, True)]


def written(directory: Path, hidden: int, heads: int, pairs: int, layers: int, tied: bool) -> Path:
    """A random checkpoint of transformers' own making, biases and norms too, beside a tokenizer."""
    write_tiny_fim_model(directory, adapter=False)
    torch.manual_seed(hidden + heads)
    config = Qwen2Config(
        vocab_size=300,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=pairs,
        rope_theta=1e6,
        max_position_embeddings=2048,
        tie_word_embeddings=tied,
    )
    model = Qwen2ForCausalLM(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.3)
    model.save_pretrained(directory)
    return directory


def logits(base: Decoder, head: torch.Tensor, ids: list[int]) -> torch.Tensor:
    cache = base.cache(len(ids))
    hidden = base.forward(base.embed(ids), torch.arange(len(ids)), cache, 0, 0, causal(len(ids), "cpu"))
    return hidden @ head.T


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_logits_equal_the_reference(tmp_path: Path, shape: tuple[int, int, int, int, bool]) -> None:
    directory = written(tmp_path, *shape)
    reference = Qwen2ForCausalLM.from_pretrained(directory, dtype=torch.float32)
    loaded = frozen.load(str(directory), runtime.choose(device="cpu", dtype="float32", threads=1))
    ids = torch.randint(0, 300, (90,)).tolist()
    expected = reference(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits(loaded.decoder, loaded.head, ids), expected, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("named", "value"),
    [("use_sliding_window", True), ("hidden_act", "gelu"), ("rope_scaling", {"rope_type": "yarn", "factor": 4.0})],
)
def test_a_variant_that_is_not_computed_is_refused(named: str, value: object) -> None:
    with pytest.raises(ValueError, match=named):
        architectures.read({"model_type": "qwen2", named: value})
