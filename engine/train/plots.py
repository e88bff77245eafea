"""The curves of a training run, from its metrics file, as a PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

SMOOTHED = 40  # steps that a point is the mean of

_PANELS = (
    ("cross-entropy", (("canvas", "leftmost noise"), ("reader", "read from the left"))),
    ("token right", (("first_right", "leftmost noise"), ("read_right", "read from the left"))),
    ("whole fill right, read from the left", (("all_right", ""),)),
)


def plot(metrics: Path, target: Path) -> None:
    """Draws what `metrics`, a metrics.jsonl, holds so far. Raises OSError where it can't be read or written."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    gaps = _smooth([row["gaps"] for row in rows])
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for name, label in lines:
            axes.plot(gaps, _smooth([row[name] for row in rows]), label=label)
        axes.set(title=title, xlabel="gaps seen")
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend()
    figure.savefig(target, format="png", dpi=110)


def _smooth(values: Sequence[float]) -> list[float]:
    width = max(1, min(SMOOTHED, len(values) // 4))
    return [sum(values[at : at + width]) / width for at in range(0, len(values) - width + 1, max(1, width // 4))]
