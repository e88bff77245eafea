"""Branches: other ways that a fill could have taken, the likeliest first."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from math import isfinite

from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from torch import Tensor

WAYS = 3  # tokens of a position that are remembered, beside the one that was taken


class Frontier:
    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Hypothesis]] = []  # a heap by score
        self._numbers = count()  # among equals the first one comes first

    def remember(self, hypothesis: Hypothesis, taken: int, scores: Tensor, row: Tensor) -> None:
        """What the leftmost position of a hypothesis could be other than the token that is taken; `scores` and `row`,
        both [vocab], are log probabilities among the tokens that are possible, and among all."""
        for token in scores.topk(WAYS + 1).indices.tolist():
            if token != taken and isfinite(scores[token]):
                self._add(hypothesis, token, float(scores[token]), float(row[token]))

    def _add(self, hypothesis: Hypothesis, token: int, log_probability: float, score: float) -> None:
        other = hypothesis.copy()
        other.accept(other.canvas.leftmost(), token, log_probability, score)
        heappush(self._waiting, (-other.score, next(self._numbers), other))

    def take(self, least: float) -> Hypothesis | None:
        """The likeliest one, if its score is above `least`: what follows can only lower it."""
        if not self._waiting or -self._waiting[0][0] <= least:
            return None
        return heappop(self._waiting)[2]
