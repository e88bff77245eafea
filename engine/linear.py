"""A matrix that inputs are multiplied with: packed once for the CPU's matrix units, plain elsewhere."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional


class Linear:
    """`y = x W^T` for x of shape [tokens, in] and W of shape [out, in], and the three ways a decoder layer goes on
    from y.

    On CPU the weight is reordered once into the layout of oneDNN's kernels, and what follows the product runs inside
    the kernel. 17 tokens through all matrices of the embedded model, 2 threads of an AMD EPYC (Zen 4), bf16: 16 ms
    packed, 26 ms unpacked.
    """

    def __init__(self, weight: Tensor) -> None:
        self.shape = tuple(weight.shape)
        self._packed = weight.device.type == "cpu"
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self._packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """x W^T, shape [tokens, out]."""
        if not self._packed:
            return functional.linear(x, self._weight)
        return self._unary(x, "none")

    def silu(self, x: Tensor) -> Tensor:
        """silu(x W^T)."""
        if not self._packed:
            return functional.silu(functional.linear(x, self._weight))
        return self._unary(x, "swish")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T * other, with other of shape [tokens, out]."""
        if not self._packed:
            return functional.linear(x, self._weight) * other
        return self._binary(x, other, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T + other, with other of shape [tokens, out]."""
        if not self._packed:
            return functional.linear(x, self._weight) + other
        return self._binary(x, other, "add")

    def _unary(self, x: Tensor, function: str) -> Tensor:
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, self._weight, None, function, [], ""))

    def _binary(self, x: Tensor, other: Tensor, function: str) -> Tensor:
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, None, function))


def mixed_rows(shares: Tensor, rows: Tensor) -> Tensor:
    """shares @ rows, [tokens, width], for [tokens, count] and a matrix [count, width] that is not packed.

    On CPU by oneDNN too: torch's own product is MKL's, which on AMD keeps to AVX2 in float32. 256 tokens and 12,288
    rows of 512 numbers, 2 threads of an AMD EPYC (Zen 5): 7.4 ms, torch's 16.5.
    """
    if rows.device.type != "cpu":
        return shares @ rows
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(shares, rows.t(), None, "none", [], ""))
