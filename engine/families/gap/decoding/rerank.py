"""The reranker: where the line goes on behind the hole, the base says which fill reads best with that behind it.

S(c) = log p(c | prefix) + log p(suffix head | prefix, c), over the text tokenised anew. By Bayes it ranks
p(c | prefix, suffix), so there is no normalisation by length.

The adapted model is less sure of ends inside a line (84 % found, 91 % of those of lines): it may write again what
stands behind the hole. So fills are also cut where the suffix might go on. Of 62 places where nothing was missing 52
were left as they are, without it 43.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.text.byte_bpe import Tokenizer

HEAD_TOKENS = 8  # of the suffix that a fill is scored with; 12 chose no better over 60 gaps, and took longer
LEAST = log(0.003)  # log probability of the end, or of the suffix' first token, from which a fill is cut there
MOST = 6  # fills that are scored


class Reranker:
    """Scores what could stand in one hole, healing prefixes included."""

    def __init__(self, denoiser: GapDenoiser, context: KvContext, suffix: Sequence[int], tokenizer: Tokenizer) -> None:
        self._denoiser, self._context, self._tokenizer = denoiser, context, tokenizer
        self._head = _text(tokenizer.decode(suffix[:HEAD_TOKENS]))

    def scores(self, fills: Sequence[bytes]) -> list[float]:
        """S of each fill, in one pass of the base."""
        whole = [self._tokenizer.encode(_text(fill) + self._head) for fill in fills]
        # Nobody asks what follows the last token, so it takes no row.
        log_probs = self._denoiser.score(self._context, DraftTree([ids[:-1] for ids in whole]))
        return [
            sum(float(row[token]) for row, token in zip(rows, ids, strict=False))
            for ids, rows in zip(whole, log_probs, strict=True)
        ]


def reranked(hypotheses: Sequence[Hypothesis], reranker: Reranker) -> list[Hypothesis]:
    """The hypotheses and what they can be cut to, one of each text, by S."""
    likeliest = sorted(_texts(hypotheses), key=lambda hypothesis: hypothesis.score, reverse=True)[:MOST]
    scores = dict(zip(likeliest, reranker.scores([fill.spelled for fill in likeliest]), strict=True))
    return sorted(likeliest, key=lambda fill: scores[fill], reverse=True)


def _texts(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The likeliest of each text, of the hypotheses and what they can be cut to."""
    texts: dict[bytes, Hypothesis] = {}
    for fill in (fill for hypothesis in hypotheses for fill in (hypothesis, *_cuts(hypothesis))):
        if fill.spelled not in texts or texts[fill.spelled].score < fill.score:
            texts[fill.spelled] = fill
    return list(texts.values())


def _cuts(hypothesis: Hypothesis) -> list[Hypothesis]:
    return [
        hypothesis.cut(count)
        for count, log_prob in enumerate(hypothesis.end_log_probs)
        if log_prob >= LEAST and hypothesis.may_end(count)
    ]


def _text(spelled: bytes) -> str:
    return spelled.decode("utf-8", errors="ignore")  # half a character at a canvas' edge says nothing yet
