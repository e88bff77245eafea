"""Matrices into NVFP4: E2M1 in blocks of 16, an E4M3 scale each, and one scale of the whole matrix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lacuna.engine.quantize.quantizers import LARGEST_E4M3, TINY, Quantized, Unquantizable, parts, squares

BLOCK = 16  # weights of one row that share a scale
LARGEST_E2M1 = 6.0
LEAST_SCALE = 2.0**-9  # E4M3's smallest
# Times the scale that makes a block's largest weight 6: at 1.5 it becomes 4, below 1 it is cut off. Relative error of
# gaussian weights: 0.0951 with 1 alone, 0.0813 with all of these.
SEARCHED = tuple(0.8 + 0.07 * step for step in range(12))
_CODE_OF_TWICE = (0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7)  # of 0, .5, 1, 1.5, 2, 3, 4, 6, at twice their size


def nvfp4(weight: Tensor, factors: Sequence[float] = SEARCHED, largest: float | None = None) -> Quantized:
    """Of [out, in], for activations in 16 bits. The matrix's own scale is that of weights up to `largest`, its own
    largest by default: engines that join gate and up want one for both. Of block scales times `factors` a block takes
    the one that loses least.

    Raises Unquantizable for rows of no whole blocks, and for what is not finite.
    """
    columns = weight.shape[1]
    if columns % BLOCK:
        raise Unquantizable(f"rows of {columns:,} weights are no whole blocks of {BLOCK}")
    largest = float(weight.abs().max()) if largest is None else largest
    whole = LARGEST_E4M3 * LARGEST_E2M1 / largest if largest >= TINY else 1.0
    divisor = torch.tensor([whole], dtype=torch.float32)
    found = [_rows(part, factors, divisor.reciprocal()) for part in parts(weight)]
    packed, scales, lost = zip(*found, strict=True)
    tensors = {"weight_packed": torch.cat(packed), "weight_scale": torch.cat(scales), "weight_global_scale": divisor}
    return Quantized(tensors, sum(lost), squares(weight))


def _rows(weight: Tensor, factors: Sequence[float], whole: Tensor) -> tuple[Tensor, Tensor, float]:
    """Bytes [rows, in / 2], scales [rows, blocks] and what is lost."""
    blocks = weight.unflatten(1, (-1, BLOCK))
    exact = blocks.abs().amax(-1, keepdim=True) / (LARGEST_E2M1 * whole)
    best = torch.full_like(exact, torch.inf)
    chosen = torch.zeros_like(exact)
    for factor in factors:
        scale = (exact * factor).clamp(LEAST_SCALE, LARGEST_E4M3).to(torch.float8_e4m3fn).float()
        lost = (_values(blocks, scale * whole).mul_(scale * whole).sub_(blocks)).square_().sum(-1, keepdim=True)
        chosen = torch.where(lost < best, scale, chosen)
        best = torch.minimum(lost, best)
    values = _values(blocks, chosen * whole).flatten(1)
    code = torch.tensor(_CODE_OF_TWICE, dtype=torch.uint8)[(values.abs() * 2).int()] | (values < 0).to(torch.uint8) << 3
    packed = code[:, 0::2] | code[:, 1::2] << 4  # the even column in the low nibble
    return packed, chosen.squeeze(-1).to(torch.float8_e4m3fn), float(best.sum(dtype=torch.float64))


def _values(blocks: Tensor, scale: Tensor) -> Tensor:
    """The nearest values of E2M1; halfway between two, that of the even code."""
    exact = blocks / scale
    size = exact.abs()
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    return exact.div_(step).round_().mul_(step).clamp_(-LARGEST_E2M1, LARGEST_E2M1)
