"""The base as reranker: S(c) = log p(c | prefix) + log p(suffix head | prefix, c), over the text tokenised anew.

By Bayes it ranks p(c | prefix, suffix); so no normalisation by length.
"""

from __future__ import annotations

from collections.abc import Sequence

from lacuna.engine.families.gap.decoding.draft_tree import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.kv_context import KvContext
from lacuna.engine.text.byte_bpe import Tokenizer

HEAD_TOKENS = 8  # of the suffix that a fill is reranked by; 12 chose no better over 60 gaps, and took longer


class Reranker:
    """Scores what could stand in one hole, healing prefixes included."""

    def __init__(self, denoiser: GapDenoiser, context: KvContext, suffix: Sequence[int], tokenizer: Tokenizer) -> None:
        self._denoiser, self._context, self._tokenizer = denoiser, context, tokenizer
        self._head = _text(tokenizer.decode(suffix[:HEAD_TOKENS]))

    def rerank(self, fills: Sequence[bytes]) -> list[float]:
        """S of each fill, in one pass of the base."""
        whole = [self._tokenizer.encode(_text(fill) + self._head) for fill in fills]
        # What follows the last token is nobody's question: it need not be read.
        scores = self._denoiser.score(self._context, DraftTree([ids[:-1] for ids in whole]))
        return [
            sum(float(row[token]) for row, token in zip(rows, ids, strict=False))
            for ids, rows in zip(whole, scores, strict=True)
        ]


def _text(spelled: bytes) -> str:
    return spelled.decode("utf-8", errors="ignore")  # half a character at a canvas' edge says nothing yet
