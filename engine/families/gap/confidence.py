"""The confidence model: how sure a fill is to be exactly right, from how likely its tokens were.

A logistic model; its weights are fitted on held-out gaps (`lacuna train fit-gate`) and stand in the adapter's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from lacuna.engine.api import Features, Gap
from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

LIMIT = 20.0  # nats; inputs are clipped here
MOST = 1e6  # of a weight; fitted ones are below 10
LEAST = -20.0  # inputs are clipped here too; a token that the healing prefix forces may have a probability of 0


class Place(Enum):
    """What kind of gap it is, as far as can be seen from the text around it."""

    LINE_END = "line end"
    BLANK_LINE = "blank line"
    MID_LINE = "mid-line"

    @staticmethod
    def of(gap: Gap) -> Place:
        before, after = gap.prefix.rpartition("\n")[2], gap.suffix.partition("\n")[0]
        if after.strip():
            return Place.MID_LINE
        return Place.LINE_END if before.strip() else Place.BLANK_LINE


@dataclass(frozen=True)
class ConfidenceModel:
    bias: float
    weights: Mapping[str, float]  # by the names of `inputs`

    @staticmethod
    def from_adapter(gate: Mapping[str, object] | None) -> ConfidenceModel:
        """The part "gate" of an adapter's metadata; weights set by hand where it has none. Raises LoadError for a
        confidence model that was fitted to an earlier version's features."""
        if gate is None:
            return UNFITTED
        fields = Fields("adapter_config.json", gate, "gap.gate.")
        weights = fields.part("weights")
        if strange := weights.values.keys() - INPUTS:
            raise LoadError(
                f"the adapter's gate weighs {', '.join(sorted(strange)[:5])[:200]}, which this version of Lacuna "
                "does not know: it was made by another one; train the adapter anew with `lacuna train gap`"
            )
        named = {name: weights.number(name, -MOST, MOST) for name in weights.values}
        return ConfidenceModel(fields.number("bias", -MOST, MOST), named)

    def confidence(self, features: Features, place: Place) -> float:
        """0..1."""
        values = inputs(features, place)
        score = self.bias + sum(weight * values[name] for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, score))))


UNFITTED = ConfidenceModel(0.5, {"mean": 0.5, "least": 0.9, "gain": 0.08, "unended": -1.5})


def inputs(features: Features, place: Place) -> dict[str, float]:
    """What the logistic model sees, by name."""
    return {
        "mean": max(LEAST, features.mean),
        "least": max(LEAST, features.least),
        "score": max(-LIMIT, features.score),
        "gain": max(-LIMIT, min(LIMIT, features.score - features.score_empty)),
        "log_tokens": math.log1p(features.tokens),
        "unended": float(not features.ended),
        "blank_line": float(place is Place.BLANK_LINE),
        "mid_line": float(place is Place.MID_LINE),
    }


INPUTS = frozenset(inputs(Features(0.0, 0.0, 0.0, 0.0, 0, True), Place.LINE_END))
