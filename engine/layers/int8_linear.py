"""A weight matrix in 8 bits, for x86 CPUs that have no fast bfloat16: a scale a row, and inputs quantised as they come.

As in LLM.int8() (arXiv 2208.07339, 2.1) every row of weights and every row of inputs has a scale of its own, so what
comes out for a row depends on no other row of the pass. FBGEMM's kernels (arXiv 2101.05615) do the product.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import torch
from torch import Tensor

from lacuna.engine.layers.linear import Unfused

# Inputs are 0 to 255. The kernels for AVX2 add two products in 16 bits: with weights of at most 64 no sum is too large,
# with 80 one is where two large weights meet two inputs near 255. Qwen2.5-Coder 0.5B against float32, 1,768 positions,
# KL and best tokens that differ: 64 0.0100 and 3.7 %, 80 0.0075 and 2.6 %, 96 0.0074 and 2.4 %; with 127, at half as
# many, 0.059 and 10 %. 80 is as good as any, and the furthest from sums that are too large.
MOST_INPUT, MOST_WEIGHT = 255, 80
TINY = torch.finfo(torch.float32).tiny  # instead of the 0 that nothing is divided by
ROWS_AT_ONCE = 8192  # of weights, as float32: 29 MB of a head of 896 columns, which is 544 MB

_OPERATORS = torch.ops.quantized


class Int8Linear(Unfused):
    """What `Linear` does, in float32 on CPU.

    4,864 outputs of 896 inputs, 2 threads of an AMD EPYC (Zen 3, AVX2), milliseconds, `Linear` behind them: 1 row 0.12
    and 0.35, 8 rows 0.28 and 0.69, 32 rows 1.0 and 2.5, 64 rows 2.0 and 4.0; a quarter of the memory.
    """

    def __init__(self, weight: Tensor, planes: int = 1) -> None:
        """`planes`: 2 quantises what is left of an input once it is quantised, too, at twice the rows."""
        self.shape = tuple(weight.shape)
        self._planes = planes
        levels, scales = zip(*map(_quantised, weight.split(ROWS_AT_ONCE)), strict=True)
        scale = torch.cat(scales)
        self._sums = torch.cat([part.sum(1, dtype=torch.float32) for part in levels]) * scale  # of all weights, [out]
        self._packed = _packed(torch.cat(levels), scale)

    def __call__(self, x: Tensor) -> Tensor:
        """x W^T, shape [tokens, out]."""
        if not len(x):
            return x.new_empty(0, self.shape[0])
        least = x.amin(1, keepdim=True)  # `aminmax` takes nine times as long as both
        # Between two levels, [tokens, 1].
        step = (x.amax(1, keepdim=True) - least).clamp_(min=TINY).mul_(1 / MOST_INPUT)
        levels = (x - least).div_(step)
        if self._planes == 1:
            return self._product(levels).mul_(step).addcmul_(least, self._sums)
        left = (levels - levels.round()).add_(0.5).mul_(MOST_INPUT)  # from half a level below, in levels of its own
        coarse, fine = self._product(torch.cat([levels, left])).chunk(2)
        coarse.add_(fine, alpha=1 / MOST_INPUT).sub_(self._sums, alpha=0.5)
        return coarse.mul_(step).addcmul_(least, self._sums)

    def _product(self, levels: Tensor) -> Tensor:
        """Of inputs in levels, which it rounds, [rows, in] -> [rows, out]."""
        return cast(Tensor, _OPERATORS.linear_with_input_q_dq_qweight_dq_output_fp32(levels, 1.0, 0, self._packed))


def head(weight: Tensor) -> Int8Linear:
    """For the last product: what it reads is spread so widely that one plane alone moves as many best tokens as all
    layers do."""
    return Int8Linear(weight, planes=2)


def is_fast() -> bool:
    """Whether this CPU and this torch have the kernels. They were measured with AVX2 alone."""
    has_kernels = "fbgemm" in torch.backends.quantized.supported_engines
    is_known = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    return has_kernels and is_known and hasattr(_OPERATORS, "linear_with_input_q_dq_qweight_dq_output_fp32")


def _quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 levels [out, in] and their scales [out]."""
    wide = weight.float()
    scale = wide.abs().amax(1).clamp_(min=TINY) / MOST_WEIGHT
    return (wide / scale[:, None]).round_().to(torch.int8), scale


def _packed(levels: Tensor, scales: Tensor) -> Any:
    """The kernels' form of int8 levels [out, in] and their scales [out]."""
    with warnings.catch_warnings():
        # torch says that tensors of quantised types will go; nothing else makes the kernels' form of one.
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions.*")
        zeros = torch.zeros(len(levels), dtype=torch.long)
        quantised = torch._make_per_channel_quantized_tensor(levels, scales.double(), zeros, 0)
    return _OPERATORS.linear_prepack(quantised, None)
