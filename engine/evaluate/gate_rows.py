"""What the confidence model is to learn from: features of fills that would come unasked, and whether they were exactly
right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lacuna.engine.api import Features
from lacuna.engine.evaluate.gaps import AUTOMATIC, GapKind
from lacuna.engine.evaluate.outcome import Outcome
from lacuna.engine.families.gap.confidence import Place


@dataclass(frozen=True)
class GateRow:
    features: Features
    place: Place
    kind: GapKind
    package: str
    exact: bool
    blank: bool  # post-processing leaves nothing of the fill


@dataclass(frozen=True)
class GateFigures:
    """What is shown at a threshold, as shares of 1."""

    precision: float  # exactly right, of what is shown where something is missing
    coverage: float  # shown, of where something is missing
    quiet: float  # nothing shown, of where nothing is missing


def gate_rows(outcomes: Iterable[Outcome]) -> list[GateRow]:
    """A row for each gap in a line for which the model was asked unasked: its fill as post-processing leaves it."""
    rows = []
    for outcome in outcomes:
        gap, judged = outcome.gap, outcome.judged
        if gap.kind in AUTOMATIC and judged is not None:
            whole = judged.whole
            exact = whole is not None and outcome.is_exact(whole)
            rows.append(GateRow(judged.features, judged.place, gap.kind, gap.file.package, exact, whole is None))
    return rows


def figures(rows: Sequence[GateRow], confidences: Sequence[float], threshold: float) -> GateFigures:
    """NaN where there is nothing to take a share of."""
    shown = [not row.blank and sure >= threshold for row, sure in zip(rows, confidences, strict=True)]
    missing = [at for at, row in enumerate(rows) if row.kind is not GapKind.EMPTY]
    empty = [at for at, row in enumerate(rows) if row.kind is GapKind.EMPTY]
    return GateFigures(
        precision=share([rows[at].exact for at in missing if shown[at]]),
        coverage=share([shown[at] for at in missing]),
        quiet=share([not shown[at] for at in empty]),
    )


def share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else math.nan
