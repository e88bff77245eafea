"""The gate's measure: how sure a fill is to be exactly right, from what canvas, base and judge said of it."""

from __future__ import annotations

import math

from engine.gap import Features

# Logistic weights: set by hand for now, until the trainer fits them (see README, "Limits").
BIAS = 0.5
WEIGHTS = {"canvas_mean": 0.5, "product_min": 0.9, "gain": 0.08, "unended": -1.5}


def confidence(features: Features) -> float:
    """0..1, monotone in every feature."""
    values = {
        "canvas_mean": features.canvas_mean,
        "product_min": features.product_min,
        "gain": max(-20.0, min(20.0, features.judge - features.judge_empty)),
        "unended": float(not features.ended),
    }
    return 1.0 / (1.0 + math.exp(-(BIAS + sum(weight * values[name] for name, weight in WEIGHTS.items()))))
