"""Models that take kernels on a CPU, which Triton's interpreter then runs."""

from __future__ import annotations

import pytest

from lacuna.engine.kernels import availability
from lacuna.engine.layers import packed_kernels


def as_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Has all kernels found to be there and right: those between products, and those of packed weights."""
    asked = packed_kernels.refusal
    patch.setattr(availability, "are_available", lambda device: True)
    patch.setattr(packed_kernels, "_missing", lambda device, dtype: "")
    patch.setattr(packed_kernels, "_wrong", lambda kind, device, dtype: "")
    patch.setattr(packed_kernels, "refusal", lambda kind, device, dtype: asked(kind, "cuda", dtype))
