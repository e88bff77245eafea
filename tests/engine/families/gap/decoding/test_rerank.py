"""The reranker on real weights, and where fills end when the line goes on behind them."""

from __future__ import annotations

import pytest
import torch
from embedded import embedded, gap_cases, read, tokenizer
from test_hypothesis import hypothesis_of, write

from lacuna.engine.api import Gap
from lacuna.engine.families.gap.decoding.rerank import Reranker
from lacuna.engine.families.gap.session import Session
from lacuna.engine.text.token_healing import Boundary

pytestmark = pytest.mark.weights
CASE = gap_cases()[0]
FILLS = [b"path", b"", b"config, indent=2)"]


def rerank(*fills: bytes) -> list[float]:
    filled = embedded()
    context = read(filled, CASE["prefix_ids"], CASE["suffix_ids"])
    return Reranker(filled.denoiser, context, CASE["suffix_ids"], tokenizer()).scores(fills)


@torch.inference_mode()
def test_fills_in_one_pass_are_scored_as_alone() -> None:
    assert rerank(*FILLS) == pytest.approx([rerank(fill)[0] for fill in FILLS], abs=1e-3)


@torch.inference_mode()
def test_the_score_is_a_sum_over_the_text() -> None:
    """Against the base read token by token, the suffix' head behind the fill."""
    (score,) = rerank(b"path")
    filled, head = embedded(), CASE["suffix_ids"][:8]
    ids = tokenizer().encode("path" + tokenizer().decode(head).decode())
    total, read_so_far = 0.0, list(CASE["prefix_ids"])
    for token in ids:
        context = read(filled, read_so_far, CASE["suffix_ids"])
        total += float(context.next_log_probabilities[0, token])
        read_so_far.append(token)
    assert score == pytest.approx(total, abs=1e-2)


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        (
            "class Reader:\n    def __init__(self, path):\n        self.path = path\n\n    def reset(",
            ") -> None:\n        self.pos = 0\n",
            "self",
        ),
        ("class A:\n    def f(self, width):\n        return area(wi", ", 2)\n", "dth"),
        ("import os\n\nprint(os.path.join(first, sec", "))\n", "ond"),
    ],
)
def test_what_stands_behind_the_hole_is_not_written_again(prefix: str, suffix: str, expected: str) -> None:
    session = Session(embedded().denoiser, tokenizer())
    best, *_ = session.infill(Gap(prefix, suffix, "python", max_lines=1), 2, lambda: None)
    assert best.text == expected
    assert best.features.ended


def test_a_hypothesis_is_cut_with_what_its_tokens_counted() -> None:
    hypothesis = hypothesis_of(Boundary("", "", b"a", False))
    hypothesis.end_log_probs = [-9.0, -3.0, -2.0, -1.0]
    write(hypothesis, "a = b")
    cut = hypothesis.cut(2)
    assert (cut.spelled, cut.ended, cut.score) == (b"a =", True, pytest.approx(-0.2 * 2 - 2.0))
    assert cut.log_probabilities == [-0.1, -0.1, -2.0]
    assert hypothesis.spelled == b"a = b" and not hypothesis.ended
    assert [hypothesis.may_end(count) for count in range(3)] == [False, True, True]
