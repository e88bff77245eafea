"""The base as judge: S(c) = log p(c | prefix) + log p(suffix head | prefix, c), over the text tokenised anew (DESIGN
2.2).

By Bayes it ranks p(c | prefix, suffix); so no normalisation by length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.context import Context
from engine.models.gap import GapDenoiser
from engine.tokenizer import Tokenizer

HEAD_TOKENS = 8  # of the suffix that a fill is judged by; 12 chose no better over 60 gaps, and took longer


@dataclass(frozen=True)
class Judged:
    score: float  # S
    fill_score: float  # its first part, log p(c | prefix)
    tokens: list[int]  # the fill's, tokenised with what follows it
    slot: int  # where the base's keys and values of these tokens begin


def judge(
    denoiser: GapDenoiser, context: Context, fills: Sequence[bytes], suffix: Sequence[int], tokenizer: Tokenizer
) -> list[Judged]:
    """Scores fills, stub included, in one pass of the base. Their keys and values stay in the context's tail."""
    head = _text(tokenizer.decode(suffix[:HEAD_TOKENS]))
    drafts = [tokenizer.encode(_text(fill) + head) for fill in fills]
    judged, slot = [], context.tail
    for fill, draft, rows in zip(fills, drafts, denoiser.score(context, drafts), strict=True):
        said = [float(rows[at, token]) for at, token in enumerate(draft)]
        count = _tokens_of(tokenizer, draft, len(fill))
        judged.append(Judged(sum(said), sum(said[:count]), draft[:count], slot))
        slot += len(draft)
    return judged


def _tokens_of(tokenizer: Tokenizer, draft: list[int], size: int) -> int:
    """How many of the draft's tokens lie within its first `size` bytes."""
    spelled = 0
    for count, token in enumerate(draft):
        spelled += len(tokenizer.decode([token]))
        if spelled > size:
            return count
    return len(draft)


def _text(spelled: bytes) -> str:
    return spelled.decode("utf-8", errors="ignore")  # half a character at a canvas' edge says nothing yet
