"""The confidence model, fitted: a logistic model of whether a fill is exactly right, and the threshold from which it is
shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from lacuna.engine.evaluate.gate_rows import GateFigures, GateRow, figures
from lacuna.engine.families.gap.confidence import ConfidenceModel, inputs

FOLDS = 5


@dataclass(frozen=True)
class Fit:
    """Plain numbers: confidence is 1 / (1 + exp(-(bias + sum of weights times `inputs`)))."""

    bias: float
    weights: Mapping[str, float]
    threshold: float | None  # the least that is right and quiet often enough; None where none is
    figures: GateFigures | None  # at the threshold
    log_loss: float  # nats a row
    held_out: tuple[float, ...]  # per row its confidence by a model that saw no row of its package; so all above

    @property
    def gate(self) -> ConfidenceModel:
        return ConfidenceModel(self.bias, self.weights)


def fit_gate(rows: Sequence[GateRow], precision: float, quiet: float) -> Fit:
    """A threshold is looked for from which `precision` of what is shown is right, and nothing is shown at `quiet` of
    the places where nothing is missing.

    Raises ValueError for rows of fewer than two packages, or that are all right or all wrong.
    """
    packages = [row.package for row in rows]
    exact = np.array([row.exact and not row.blank for row in rows])
    if len(set(packages)) < 2 or exact.all() or not exact.any():
        raise ValueError(
            "a confidence model is fitted to fills of two packages or more, some right and some wrong: take more gaps"
        )
    names = list(inputs(rows[0].features, rows[0].place))
    values = np.array([list(inputs(row.features, row.place).values()) for row in rows])
    folds = GroupKFold(min(FOLDS, len(set(packages))))
    told = cross_val_predict(_model(), values, exact, groups=packages, cv=folds, method="predict_proba")[:, 1]
    held_out = tuple(float(sure) for sure in told)
    model = _model().fit(values, exact)
    scaler, logistic = model[0], model[1]
    weights = logistic.coef_[0] / scaler.scale_
    bias = float(logistic.intercept_[0] - (weights * scaler.mean_).sum())
    threshold = least_threshold(rows, held_out, precision, quiet)
    return Fit(
        bias=bias,
        weights=dict(zip(names, map(float, weights), strict=True)),
        threshold=threshold,
        figures=None if threshold is None else figures(rows, held_out, threshold),
        log_loss=float(-np.log(np.where(exact, told, 1.0 - told)).mean()),
        held_out=held_out,
    )


def least_threshold(
    rows: Sequence[GateRow], confidences: Sequence[float], precision: float, quiet: float
) -> float | None:
    """The least threshold, in hundredths, at which both shares are reached."""
    for threshold in (step / 100 for step in range(101)):
        at = figures(rows, confidences, threshold)
        if at.precision >= precision and not at.quiet < quiet:  # without an empty gap nothing is said about quiet
            return threshold
    return None


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
