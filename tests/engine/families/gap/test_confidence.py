"""The confidence model's measure is a probability, moves as its weights say, and comes from the adapter where that has
one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lacuna.engine.api import Features, Gap
from lacuna.engine.families.gap.confidence import UNFITTED, ConfidenceModel, Place, inputs

MIDDLING = Features(-0.5, -1.0, -20.0, -18.0, 5, True)


def test_it_is_a_probability() -> None:
    for features in (
        MIDDLING,
        replace(MIDDLING, least=-400.0, mean=-9000.0),
        replace(MIDDLING, score=900.0),
    ):
        assert 0.0 <= UNFITTED.confidence(features, Place.LINE_END) <= 1.0


@pytest.mark.parametrize("better", [{"mean": -0.1}, {"least": -0.1}, {"score": -10.0}, {"score_empty": -30.0}])
def test_better_features_are_surer(better: dict[str, float]) -> None:
    def sure(features: Features) -> float:
        return UNFITTED.confidence(features, Place.LINE_END)

    assert sure(replace(MIDDLING, **better)) > sure(MIDDLING) > sure(replace(MIDDLING, ended=False))


@pytest.mark.parametrize(
    ("prefix", "suffix", "place"),
    [
        ("x = 1\ny = ", "\nz", Place.LINE_END),
        ("x = 1\n    ", "  \nz", Place.BLANK_LINE),
        ("f(", ")\n", Place.MID_LINE),
        ("", "", Place.BLANK_LINE),
    ],
)
def test_places(prefix: str, suffix: str, place: Place) -> None:
    assert Place.of(Gap(prefix, suffix)) is place


def test_an_adapter_brings_its_own() -> None:
    words = json.loads(json.dumps({"bias": -1.0, "weights": {"gain": 0.5, "mid_line": -2.0}}))
    gate = ConfidenceModel.from_adapter(words)
    assert gate.confidence(MIDDLING, Place.LINE_END) == pytest.approx(1 / (1 + 2.718281828 ** (1 + 0.5 * 2.0)))
    assert gate.confidence(MIDDLING, Place.MID_LINE) < gate.confidence(MIDDLING, Place.LINE_END)
    assert ConfidenceModel.from_adapter(None) is UNFITTED
    assert set(UNFITTED.weights) <= set(inputs(MIDDLING, Place.LINE_END))


def test_a_gate_of_an_earlier_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"canvas_min.*train gap"):
        ConfidenceModel.from_adapter({"bias": 0.0, "weights": {"gain": 0.5, "canvas_min": 1.0}})
