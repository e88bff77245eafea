"""The judge on real weights: what it hears along with the sampler is what it would say in a pass of its own."""

from __future__ import annotations

import pytest
import torch
from embedded import embedded, preview_cases, read, tokenizer

from engine.draft_tree import DraftTree
from engine.judge import Judge, Judged

pytestmark = pytest.mark.weights
CASE = preview_cases()[0]
FILLS = [b"path", b"", b"config, indent=2)"]


def judge(*waiting: bytes) -> Judge:
    filled = embedded()
    context = read(filled, CASE["prefix_ids"], CASE["suffix_ids"])
    return Judge(filled.denoiser, context, CASE["suffix_ids"], tokenizer(), waiting)


def never() -> None:
    raise AssertionError("no pass is needed")


def same(heard: Judged, said: Judged) -> bool:
    close = pytest.approx((said.score, said.fill_score), abs=1e-3)
    return (heard.score, heard.fill_score) == close and heard.tokens == said.tokens


@torch.inference_mode()
def test_what_the_base_read_for_the_sampler_is_judged() -> None:
    listening = judge(FILLS[2])
    drafts = [tokenizer().encode(fill.decode()) for fill in FILLS[:2]]
    fork = [*drafts[0][:-1], 30]
    said = listening.read(drafts, [fork])
    for draft in (*drafts, fork):
        (expected,) = listening._denoiser.score(listening._context, DraftTree([draft]))
        rows = torch.stack([said[tuple(draft[:count])] for count in range(len(draft) + 1)])
        torch.testing.assert_close(rows, torch.stack(expected), atol=1e-3, rtol=0)
    heard, said = listening.judge(FILLS, never), judge().judge(FILLS)
    assert all(map(same, heard, said))


@torch.inference_mode()
def test_a_draft_of_other_tokens_than_its_text_has_is_judged_by_its_text() -> None:
    """ "pa" and "th" are "path" to the sampler, but the base knows the word as one token."""
    listening = judge()
    pieces = [*tokenizer().encode("pa"), *tokenizer().encode("th")]
    assert tokenizer().encode("path") != pieces
    listening.read([pieces])
    with pytest.raises(AssertionError, match="no pass"):
        listening.judge([b"path"], never)
    assert same(listening.judge([b"path"])[0], judge().judge([b"path"])[0])


@torch.inference_mode()
def test_the_score_is_a_sum_over_the_text() -> None:
    """Against the base read token by token, the suffix' head behind the fill."""
    (said,) = judge().judge([b"path"])
    filled, head = embedded(), CASE["suffix_ids"][:8]
    ids = tokenizer().encode("path" + tokenizer().decode(head).decode())
    total, read_so_far = 0.0, list(CASE["prefix_ids"])
    for token in ids:
        context = read(filled, read_so_far, CASE["suffix_ids"])
        total += float(context.next_log_probabilities[0, token])
        read_so_far.append(token)
    assert said.score == pytest.approx(total, abs=1e-2)
