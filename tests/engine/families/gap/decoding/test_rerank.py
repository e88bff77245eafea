"""The reranker on real weights."""

from __future__ import annotations

import pytest
import torch
from embedded import embedded, preview_cases, read, tokenizer
from lacuna.engine.families.gap.decoding.rerank import Reranker

pytestmark = pytest.mark.weights
CASE = preview_cases()[0]
FILLS = [b"path", b"", b"config, indent=2)"]


def rerank(*fills: bytes) -> list[float]:
    filled = embedded()
    context = read(filled, CASE["prefix_ids"], CASE["suffix_ids"])
    return Reranker(filled.denoiser, context, CASE["suffix_ids"], tokenizer()).rerank(fills)


@torch.inference_mode()
def test_fills_in_one_pass_are_judged_as_alone() -> None:
    assert rerank(*FILLS) == pytest.approx([rerank(fill)[0] for fill in FILLS], abs=1e-3)


@torch.inference_mode()
def test_the_score_is_a_sum_over_the_text() -> None:
    """Against the base read token by token, the suffix' head behind the fill."""
    (verified,) = rerank(b"path")
    filled, head = embedded(), CASE["suffix_ids"][:8]
    ids = tokenizer().encode("path" + tokenizer().decode(head).decode())
    total, read_so_far = 0.0, list(CASE["prefix_ids"])
    for token in ids:
        context = read(filled, read_so_far, CASE["suffix_ids"])
        total += float(context.next_log_probabilities[0, token])
        read_so_far.append(token)
    assert verified == pytest.approx(total, abs=1e-2)
