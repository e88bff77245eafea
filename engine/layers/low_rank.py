"""A LoRA's factors beside a matrix that stays as it is (arXiv 2106.09685; over packed weights: 2305.14314)."""

from __future__ import annotations

from torch import Tensor

from lacuna.engine.layers.linear import Linear, Matrix, Unfused


class LowRank(Unfused):
    """`y = x (W + B A)^T`, computed as x W^T + (x A^T) B^T: W + B A has no packed form, or W is used alone, too."""

    def __init__(self, matrix: Matrix, a: Tensor, b: Tensor) -> None:
        """`matrix` is W [out, in]; `a` is A [rank, in] and `b` is B [out, rank], in the type of what W multiplies."""
        self.shape, self.rows = matrix.shape, matrix.rows
        self._matrix, self._a, self._b = matrix, Linear(a), Linear(b)

    def __call__(self, x: Tensor) -> Tensor:
        """[tokens, out]."""
        return self._b.plus(self._a(x), self._matrix(x))
