"""Drafting: which continuations of a hypothesis the next pass should read, and behind which of them it should denoise.

A hypothesis' guesses are distributions, one per position, each made without knowing what the others become; beside them
stands what followed the same tokens elsewhere. The drafts are the tree of the likeliest continuations under their
product, grown best first (as in EAGLE-2, arXiv 2406.16858). Noise stands where reading is likeliest to part from all
drafts, as its guesses are then what the next drafts are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, nlargest
from math import exp, inf, log

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.prompt_lookup import LONGEST, PromptLookup
from lacuna.engine.families.gap.decoding.tree_attention import Beginning

# A pass takes 12 ms, and 0.75 a row (2 threads of an AMD EPYC, bfloat16): only what is likely to be of use pays.
LEAST = log(0.05)  # log probability from which a draft is read
TOKENS = 10  # of a hypothesis' drafts at most
WIDTH = 4  # likeliest tokens of a position that are tried
STRETCHES = (4, 3)  # positions of noise behind the likeliest beginning, and behind the next


@dataclass(frozen=True)
class Drafts:
    """What one hypothesis wants of a pass."""

    beginnings: list[Beginning]  # to be read; what is decided is the first
    noise: Mapping[Beginning, int]  # how many positions of it stand behind which


class Drafter:
    """Drafts for the hypotheses of one hole."""

    def __init__(self, before: Sequence[int], copies: PromptLookup, end: int) -> None:
        """`before` are the tokens left of the hole; `end` is the end-of-hole token, which is never read: behind it
        there is nothing."""
        self._before, self._lookup, self._end = list(before[-LONGEST:]), copies, end

    def draft(self, hypothesis: Hypothesis) -> Drafts:
        reached = dict[Beginning, float]()  # log probabilities
        parting = dict[Beginning, float]()  # probability of getting there and on to what no draft has
        waiting = [(0.0, tuple(hypothesis.tokens))]
        while waiting and len(reached) <= TOKENS:
            cost, beginning = heappop(waiting)
            reached[beginning] = -cost
            parting[beginning] = exp(-cost)
            if len(beginning) > len(hypothesis.tokens):
                parting[beginning[:-1]] -= exp(-cost)
            for token, score in self._next(hypothesis, beginning).items():
                if token == self._end:
                    parting[beginning] -= exp(score - cost)
                elif score - cost >= LEAST and hypothesis.open((*beginning, token)):
                    heappush(waiting, (cost - score, (*beginning, token)))
        return Drafts(list(reached), _noise(hypothesis, parting))

    def _next(self, hypothesis: Hypothesis, beginning: Beginning) -> dict[int, float]:
        """The likeliest tokens behind a beginning, with their log probabilities."""
        scores = dict[int, float]()
        guess = hypothesis.guesses.get(len(beginning))
        if guess is not None:
            possible = hypothesis.constrain(beginning, guess)
            best = (possible if possible is guess else possible.log_softmax(-1)).topk(WIDTH)
            found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            scores = {token: score for token, score in found if score > -inf}
        copied = self._lookup.following([*self._before, *beginning])
        if copied is not None:
            token, right = copied
            allowed = hypothesis.possible(beginning)
            if allowed is None or token in allowed:
                scores[token] = max(scores.get(token, -inf), log(right))
        return scores


def _noise(hypothesis: Hypothesis, parting: Mapping[Beginning, float]) -> dict[Beginning, int]:
    behind = nlargest(len(STRETCHES), parting, key=lambda beginning: parting[beginning])
    room = {beginning: len(hypothesis.canvas) - 1 - len(beginning) for beginning in behind}
    lengths = zip(behind, STRETCHES, strict=False)
    return {beginning: min(length, room[beginning]) for beginning, length in lengths if room[beginning]}
