"""The check of a device, on the interpreter: right kernels pass it, and each wrong one is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lacuna.engine.kernels import (
    cache_attention,
    elementwise_check,
    gated,
    head_statistics,
    layer_norms,
    norms,
    rope_to_cache,
    route,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_right_kernels_pass(dtype: torch.dtype) -> None:
    assert elementwise_check.differs(CPU, dtype) == ""


@pytest.mark.parametrize(
    ("module", "function", "named"),
    [
        (norms, "rms_norm", "norms"),
        (norms, "add_norm", "norms"),
        (layer_norms, "after_attention", "norms between the products of a layer"),
        (layer_norms, "after_feedforward", "norms between the products of a layer"),
        (route, "route", "routes to experts"),
        (gated, "silu_times", "gates"),
        (gated, "gelu_times", "gates"),
        (rope_to_cache, "rope_to_cache", "rotations into the cache"),
        (cache_attention, "cache_attention", "attention"),
        (head_statistics, "statistics", "the head's statistics"),
        (head_statistics, "to_probabilities", "the head's statistics"),
    ],
)
def test_a_wrong_one_is_named(module: Any, function: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right: Callable[..., Any] = getattr(module, function)

    def wrong(*arguments: Any, **options: Any) -> Any:
        """A tenth too much."""
        found = right(*arguments, **options)
        if isinstance(found, torch.Tensor):
            return found * 1.1
        scaled = [part * 1.1 if part.is_floating_point() else part for part in found]
        return type(found)(*scaled) if hasattr(found, "_fields") else tuple(scaled)

    monkeypatch.setattr(module, function, wrong)
    assert elementwise_check.differs(CPU, torch.float32) == named
