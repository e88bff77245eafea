"""Matrices into INT4 and FP8: the stored tensors, and how far their weights are from the original ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32  # weights of one row that share a scale
# Times the scale that keeps a group's largest weight exact: a smaller one loses that and gains the others. Relative
# error of gaussian weights: 0.0860 with 1 alone, 0.0817 with all of these.
SEARCHED = tuple(0.8 + 0.25 / 11 * step for step in range(12))
PLAIN = (1.0,)
# A group whose largest weight is smaller counts as zeros, and a larger weight is none of a model: squares of what lies
# between are numbers that float32 has.
TINY, HUGE = 2.0**-50, 2.0**50
LARGEST_E4M3 = 448.0
AT_ONCE = 1 << 17  # weights searched at once: what lives meanwhile stays in a CPU's cache


class Unquantizable(ValueError):
    """A matrix that cannot be quantized; the message says why."""


@dataclass(frozen=True)
class Quantized:
    tensors: Mapping[str, Tensor]  # by the suffix that compressed-tensors gives them
    lost: float  # sum of squared differences
    whole: float  # sum of squared weights


def int4(weight: Tensor, factors: Sequence[float] = SEARCHED) -> Quantized:
    """INT4 in groups of 32 along the rows, symmetric, of [out, in]: the weight of largest size becomes the level -8,
    so that scales have either sign. Of scales times `factors` a group takes the one that loses least.

    Raises Unquantizable for rows of no whole groups, and for what is not finite.
    """
    rows, columns = weight.shape
    if columns % GROUP:
        raise Unquantizable(f"rows of {columns:,} weights are no whole groups of {GROUP}")
    found = [_int4_rows(part, factors) for part in parts(weight)]
    packed, scales, lost = zip(*found, strict=True)
    shape = torch.tensor([rows, columns])
    tensors = {"weight_packed": torch.cat(packed), "weight_scale": torch.cat(scales), "weight_shape": shape}
    return Quantized(tensors, sum(lost), squares(weight))


def fp8(weight: Tensor) -> Quantized:
    """FP8 (E4M3) with a scale per row, of [out, in]. Raises Unquantizable for what is not finite."""
    payloads, scales, lost = [], [], 0.0
    for part in parts(weight):
        largest = part.abs().amax(-1, keepdim=True)
        scale = torch.where(largest < TINY, 1.0, largest / LARGEST_E4M3).bfloat16()
        payload = (part / scale.float()).clamp_(-LARGEST_E4M3, LARGEST_E4M3).to(torch.float8_e4m3fn)
        lost += squares(payload.float() * scale.float() - part)
        payloads.append(payload)
        scales.append(scale)
    return Quantized({"weight": torch.cat(payloads), "weight_scale": torch.cat(scales)}, lost, squares(weight))


def _int4_rows(weight: Tensor, factors: Sequence[float]) -> tuple[Tensor, Tensor, float]:
    """Words [rows, in / 8], scales [rows, groups] and what is lost."""
    groups = weight.unflatten(1, (-1, GROUP))
    largest = groups.gather(-1, groups.abs().argmax(-1, keepdim=True))  # [rows, groups, 1], signed
    exact = torch.where(largest.abs() < TINY, 1.0, largest / -8)
    best = torch.full_like(exact, torch.inf)
    chosen = exact.bfloat16()
    for factor in factors:
        scale = (exact * factor).bfloat16()  # rounded first: levels are of the scale that is stored
        lost = (_levels(groups, scale).mul_(scale.float()).sub_(groups)).square_().sum(-1, keepdim=True)
        chosen = torch.where(lost < best, scale, chosen)
        best = torch.minimum(lost, best)
    levels = _levels(groups, chosen).flatten(1).add_(8).to(torch.uint8)
    packed = (levels[:, 0::2] | levels[:, 1::2] << 4).view(torch.int32)  # the even column in the low nibble
    return packed, chosen.squeeze(-1), float(best.sum(dtype=torch.float64))


def _levels(groups: Tensor, scale: Tensor) -> Tensor:
    return (groups / scale.float()).round_().clamp_(-8, 7)


def parts(weight: Tensor) -> Iterator[Tensor]:
    """Some rows at a time, in float32. Raises Unquantizable for what is not finite."""
    for part in weight.split(max(1, AT_ONCE // weight.shape[1])):
        exact = part.float()
        if not bool((exact.abs() <= HUGE).all()):
            raise Unquantizable("holds a weight that is not finite, or beyond 2**50")
        yield exact


def squares(numbers: Tensor) -> float:
    """The sum of all numbers' squares."""
    return float(sum(part.float().square().sum(dtype=torch.float64) for part in numbers.split(256)))
