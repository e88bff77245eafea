"""The risk-coverage curve: how often a suggestion is wrong, by how many of them are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from lacuna.engine.evaluate.gaps import GapKind
from lacuna.engine.evaluate.gate_rows import GateFigures, GateRow


@dataclass(frozen=True)
class Point:
    coverage: float
    risk: float  # not exactly right, of what is shown


def risk_coverage(rows: Sequence[GateRow], confidences: Sequence[float]) -> list[Point]:
    """A point for each suggestion that could be shown, the surest first, where something is missing."""
    missing = [(sure, row) for sure, row in zip(confidences, rows, strict=True) if row.kind is not GapKind.EMPTY]
    shown = sorted((sure, row.exact) for sure, row in missing if not row.blank)[::-1]
    points, wrong = [], 0
    for count, (_, exact) in enumerate(shown, 1):
        wrong += not exact
        points.append(Point(count / len(missing), wrong / count))
    return points


def plot(curves: Mapping[str, Sequence[Point]], chosen: GateFigures | None, path: Path) -> None:
    """A PNG with a line per gate, and the point that was chosen."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot([point.coverage for point in points], [point.risk for point in points], label=name)
    if chosen is not None:
        label = f"shipped: {chosen.precision:.0%} right, {chosen.quiet:.0%} quiet"
        axes.plot(chosen.coverage, 1.0 - chosen.precision, "ko", label=label)
    axes.set(xlabel="coverage: shown, of gaps to fill", ylabel="risk: not exactly right, of shown", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=120)
