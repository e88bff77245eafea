"""Fits a confidence model for an adapter and writes it into the adapter's metadata, with the curve as a PNG beside
it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from lacuna.engine.evaluate import risk_coverage
from lacuna.engine.evaluate.gate_fit import Fit, fit_gate
from lacuna.engine.evaluate.gate_rows import GateRow

CURVE = "risk-coverage.png"
PRECISION, QUIET = 0.7, 0.95  # of what is shown unasked: a wrong suggestion costs a reader more than none


def fit(adapter: Path, rows: Sequence[GateRow], shown_from: float) -> Fit:
    """Fits to rows, and writes it into the adapter's directory. Raises as `fit_gate` does.

    `shown_from` is the confidence from which suggestions are shown by default: the fitted threshold becomes that.
    """
    fitted = fit_gate(rows, PRECISION, QUIET)
    _write(adapter / "adapter_config.json", fitted, shown_from)
    risk_coverage.plot({"fitted": risk_coverage.risk_coverage(rows, fitted.held_out)}, fitted.figures, adapter / CURVE)
    return fitted


def _write(file: Path, fitted: Fit, shown_from: float) -> None:
    """Shifts the bias so that the threshold becomes `shown_from`."""
    if fitted.threshold is None:
        raise ValueError("no threshold is right and quiet often enough: the adapter keeps the confidence model it has")
    config = json.loads(file.read_text(encoding="utf-8"))
    bias = fitted.bias + _logit(shown_from) - _logit(fitted.threshold)
    weights = {name: round(weight, 5) for name, weight in fitted.weights.items()}
    config["gap"]["gate"] = {"bias": round(bias, 5), "weights": weights}
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, file)


def _logit(share: float) -> float:
    inside = min(max(share, 1e-3), 1.0 - 1e-3)
    return math.log(inside / (1.0 - inside))
