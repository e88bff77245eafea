"""The gate's measure is a probability and grows with every feature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.gap import Features
from engine.gate import confidence

MIDDLING = Features(-0.5, -1.0, -0.7, -20.0, -18.0, 5, True)


def test_it_is_a_probability() -> None:
    for features in (
        MIDDLING,
        replace(MIDDLING, product_min=-400.0, canvas_mean=-90.0),
        replace(MIDDLING, judge=900.0),
    ):
        assert 0.0 <= confidence(features) <= 1.0


@pytest.mark.parametrize(
    "better", [{"canvas_mean": -0.1}, {"product_min": -0.1}, {"judge": -10.0}, {"judge_empty": -30.0}]
)
def test_better_features_are_surer(better: dict[str, float]) -> None:
    assert confidence(replace(MIDDLING, **better)) > confidence(MIDDLING) > confidence(replace(MIDDLING, ended=False))
