"""The bootstrap (Efron 1979): what a mean over gaps is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lacuna.engine.evaluate.outcome import Outcome

DRAWS = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean, and where it lies in 95 of 100 draws."""

    mean: float
    low: float
    high: float


def interval(outcomes: Sequence[Outcome], score: Callable[[Outcome], float], seed: int = 0) -> Interval:
    """Of a score, averaged over gaps. Files are drawn, not gaps: those of one file have much in common.

    Raises ValueError without outcomes.
    """
    if not outcomes:
        raise ValueError("no gaps to take a mean over")
    files: dict[str, list[float]] = {}
    for outcome in outcomes:
        files.setdefault(outcome.gap.file.name, []).append(score(outcome))
    sums = np.array([sum(scores) for scores in files.values()])
    sizes = np.array([len(scores) for scores in files.values()])
    drawn = np.random.default_rng(seed).integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(sums.sum() / sizes.sum()), float(low), float(high))
