"""Endings: where a fill should end when the line goes on behind the hole.

The adapted model is less sure of such ends (84 % found, 91 % of those of lines): it may write the rest of the line that
stands behind the hole already. So fills are also cut where the suffix might go on, and the reranker says what reads
best with the suffix behind it. Of 62 places where nothing was missing 52 were left as they are, without it 43.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.rerank import Reranker

LEAST = log(0.003)  # log probability of the end, or of the suffix' first token, from which a fill is cut there
MOST = 6  # fills that are reranked


def reranked(hypotheses: Sequence[Hypothesis], rerank: Reranker) -> list[Hypothesis]:
    """The hypotheses and what they can be cut to, one of each text, by the reranker's score."""
    texts: dict[bytes, Hypothesis] = {}
    for fill in (fill for hypothesis in hypotheses for fill in (hypothesis, *_cuts(hypothesis))):
        if fill.spelled not in texts or texts[fill.spelled].score < fill.score:
            texts[fill.spelled] = fill
    likeliest = sorted(texts.values(), key=lambda hypothesis: hypothesis.score, reverse=True)[:MOST]
    scores = dict(zip(likeliest, rerank.rerank([hypothesis.spelled for hypothesis in likeliest]), strict=True))
    return sorted(likeliest, key=lambda hypothesis: scores[hypothesis], reverse=True)


def _cuts(hypothesis: Hypothesis) -> list[Hypothesis]:
    return [
        hypothesis.cut(count)
        for count, ending in enumerate(hypothesis.endings)
        if ending >= LEAST and hypothesis.may_end(count)
    ]
