"""A weight matrix in its stored dtype: packed once for oneDNN's kernels on CPU, plain elsewhere."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor
from torch.nn import functional

# Row counts are padded to multiples of this. oneDNN compiles a kernel for every pair of matrix and row count, and keeps
# the last ones used (engine/device/runtime.py). Measured over 1,121 canvas passes of 160 gaps, with the kernels of
# eight row counts kept: without padding 57 % of the passes had to compile theirs anew, with padding to 4 rows 17 %,
# which costs 1.8 rows a pass. In the mean a pass takes 21.6 ms with padding (48 kernels kept) and 22.6 without (64).
ROWS = 4


class Matrix(Protocol):
    """A weight W of shape [out, in] in any form, and the ways on from x W^T, for x of shape [tokens, in]."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def rows(self) -> int:
        """What callers should pad row counts to a multiple of."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def silu(self, x: Tensor) -> Tensor: ...

    def times(self, x: Tensor, other: Tensor) -> Tensor: ...

    def plus(self, x: Tensor, other: Tensor) -> Tensor: ...


class Unfused:
    """The ways on from a product that no kernel goes along with."""

    shape: tuple[int, ...]
    # No padding. Where oneDNN multiplies with decoded matrices, or a LoRA's factors, it compiles for a new count of
    # rows too: 5 ms of a pass, of 800 and more that decoding takes. Rows of torch's int4 product cost more.
    rows = 1

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def silu(self, x: Tensor) -> Tensor:
        """silu(x W^T)."""
        return functional.silu(self(x), inplace=True)

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T * other, with other of shape [tokens, out]."""
        return self(x).mul_(other)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T + other, with other of shape [tokens, out]."""
        return self(x).add_(other)


class Linear:
    """`y = x W^T` for x of shape [tokens, in] and W of shape [out, in], and the ways a model goes on from y.

    On CPU the weight is reordered once into the layout of oneDNN's kernels, and what follows the product runs inside
    the kernel. 17 tokens through all matrices of the embedded model, 2 threads of an AMD EPYC (Zen 4), bf16: 16 ms
    packed, 26 ms unpacked.
    """

    def __init__(self, weight: Tensor) -> None:
        self.shape = tuple(weight.shape)
        self._packed = has_onednn(weight)
        self.rows = ROWS if self._packed else 1  # what callers should pad row counts to
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

    def tanh(self, x: Tensor) -> Tensor:
        """tanh(x W^T)."""
        if not self._packed:
            return functional.linear(x, self._weight).tanh_()
        return self._unary(x, "tanh")

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


def has_onednn(matrix: Tensor) -> bool:
    """Whether oneDNN multiplies with a matrix here: in bfloat16 it refuses to on x86 CPUs without AVX-512."""
    if matrix.device.type != "cpu":
        return False
    return matrix.dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def padded(x: Tensor, rows: int) -> Tensor:
    """x of shape [tokens, ...] with rows of zeros added, up to a multiple of `rows`."""
    missing = -len(x) % rows
    return functional.pad(x, (0, 0) * (x.dim() - 1) + (0, missing)) if missing else x


def product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right for a matrix that is not worth packing: it is used once, or kept as it is for something else.

    On CPU by oneDNN too: torch's own product is MKL's, which in float32 is limited to AVX2 on AMD. 256 rows times a
    matrix of 12,288 times 512, 2 threads of an AMD EPYC (Zen 5): 7.4 ms, torch's 16.5.
    """
    if not has_onednn(right):
        return left @ right
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], ""))
