"""The base, read through our code, against transformers' LlamaForCausalLM on the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from embedded import embedded, gap_cases
from transformers import LlamaForCausalLM

from lacuna.engine.families.gap.kv_context import causal
from lacuna.engine.models import architectures

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def reference(embedded_model: Path) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(embedded_model, dtype=torch.float32)


@pytest.mark.parametrize("case", gap_cases(), ids=lambda case: case["prefix"][:12])
@torch.inference_mode()
def test_logits_equal_the_reference(case: dict[str, list[int]], reference: LlamaForCausalLM) -> None:
    ids = [0, *case["prefix_ids"], *case["suffix_ids"]]
    base = embedded().denoiser.base
    hidden = base.forward(base.embed(ids), torch.arange(len(ids)), base.cache(128), 0, 0, causal(len(ids), "cpu"))
    # Two orders of summation of 30 layers in float32; logits here reach 40.
    expected = reference(torch.tensor([ids])).logits[0].log_softmax(-1)
    torch.testing.assert_close(base.log_probabilities(hidden), expected, atol=2e-3, rtol=0)


@torch.inference_mode()
def test_a_long_text_equals_the_reference(reference: LlamaForCausalLM) -> None:
    ids = [0, *(gap_cases()[1]["prefix_ids"] * 20)][:400]
    context = embedded().denoiser.context()
    context.prefill_prefix(ids[1:], lambda: None)  # in chunks, over the cache
    expected = reference(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    torch.testing.assert_close(context.next_log_probabilities[0], expected, atol=2e-3, rtol=0)


def test_a_llama_that_is_not_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="attention_bias"):
        architectures.read({"model_type": "llama", "attention_bias": True, "tie_word_embeddings": True})
