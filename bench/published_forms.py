"""Random weights in the forms that DiffusionGemma is published in: packed words of the right shapes, nothing quantized.

Which weights are packed, and how, families/diffusion_gemma/published says. Their size decides how long a pass takes,
not their values; those are chosen so that activations stay finite.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lacuna.engine.layers.dialects.layouts import FLOAT_FORMAT, FP8_FORMAT, MODELOPT_FORMAT
from lacuna.engine.layers.dialects.stored_fields import CODECS
from lacuna.engine.layers.dialects.translate import Plan, Planned
from lacuna.engine.layers.packed_linear import Weight

SPREAD = 0.02  # of weights, as a model's are before it is trained
# Root mean squares of the numbers that uniformly random codes stand for.
FP8_SPREAD, INT4_SPREAD, E2M1_SPREAD = 99.7, 4.64, 2.93
E4M3_ONE, SCALE_SPREAD = 0x38, 1.47  # the code of 1; it and the next seven reach from 1 to 1.875

FORMS = ("bf16", "fp8", "int4", "nvfp4")  # of published.CHECKPOINTS


def random_weights(plan: Plan, device: str) -> Iterator[tuple[str, Weight]]:
    """One after the other, on the device."""
    generator = torch.Generator(device).manual_seed(0)
    for name, weight in plan.weights.items():
        yield name, _random(weight, generator)


def _random(planned: Planned, generator: torch.Generator) -> Weight:
    if planned.layout.format == FLOAT_FORMAT:
        if len(planned.shape) == 1:  # norms and scales
            return torch.ones(planned.shape, dtype=torch.bfloat16, device=generator.device)
        floats = torch.empty(planned.shape, dtype=torch.bfloat16, device=generator.device)
        return floats.normal_(0.0, SPREAD, generator=generator)
    filled = {}
    for field, (shape, dtype) in planned.fields(torch.bfloat16).items():
        one = torch.empty(shape, dtype=torch.uint8 if dtype.itemsize == 1 else dtype, device=generator.device)
        filled[field] = _fill(planned.layout.format, field, one, generator).view(dtype)
    return CODECS[planned.layout.format](**filled)


def _fill(form: str, field: str, empty: Tensor, generator: torch.Generator) -> Tensor:
    """Random codes, or scales that make weights of them."""
    if field == "payload":
        codes = empty.random_(0, 256, generator=generator)
        return codes.masked_fill_(codes & 0x7F == 0x7F, 0) if form == FP8_FORMAT else codes  # NaN is never stored
    if form == MODELOPT_FORMAT:
        if field == "scale":
            return empty.random_(E4M3_ONE, E4M3_ONE + 8, generator=generator)
        return empty.fill_(SPREAD / E2M1_SPREAD / SCALE_SPREAD)
    spread = FP8_SPREAD if form == FP8_FORMAT else INT4_SPREAD
    return empty.uniform_(0.8 * SPREAD / spread, 1.2 * SPREAD / spread, generator=generator)
