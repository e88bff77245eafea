"""Weights as kernels take them: the tensors of a codec, with its name. And how much of a product a program computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FORMATS = ("float", "fp8", "int4", "nvfp4")


@dataclass(frozen=True)
class Weights:
    """A matrix [out, in] or a bank of them [experts, out, in] in one of FORMATS. All tensors are contiguous.

    payload: floats; uint8 [..., out, in], a byte of float8_e4m3fn a weight; or uint8 [..., out, in / 2], two weights a
    byte, the even column in the low nibble. scale: floats [..., out, 1] for fp8, floats [..., out, groups] for int4,
    uint8 [..., out, in / 16] of float8_e4m3fn for nvfp4. zero: int8 [..., out, groups], int4's zero points, or None.
    whole: float32 [..., parts], nvfp4's scales of equally many rows each.
    """

    format: str
    payload: Tensor
    scale: Tensor | None = None
    zero: Tensor | None = None
    whole: Tensor | None = None

    def __post_init__(self) -> None:
        assert self.format in FORMATS, f"{self.format} is no format of kernels"
        for part in (self.payload, self.scale, self.zero, self.whole):
            assert part is None or part.is_contiguous(), "kernels take contiguous weights"
        assert self.format == "float" or self.payload.dtype == torch.uint8
        assert self.inner % self.group == 0, "groups do not end where rows do"

    @property
    def outputs(self) -> int:
        return self.payload.shape[-2]

    @property
    def inner(self) -> int:
        return self.payload.shape[-1] * (2 if self.format in ("int4", "nvfp4") else 1)

    @property
    def group(self) -> int:
        """Weights of a row that share a scale inside a tile; 1 where none does."""
        if self.scale is None or self.format == "fp8":
            return 1
        return self.inner // self.scale.shape[-1]

    def arguments(self) -> dict[str, Any]:
        """What every kernel that multiplies with weights has as arguments, by name."""
        return {
            "payload": self.payload,
            "scale": self.scale,
            "zero": self.zero,
            "whole": self.whole,
            "outputs": self.outputs,
            "inner": self.inner,
            "payload_stride": self.payload.shape[-1],
            "scale_stride": 1 if self.scale is None else self.scale.shape[-1],
            "part": self.outputs // (1 if self.whole is None else self.whole.shape[-1]),
            "FORMAT": self.format,
            "GROUP": self.group,
        }


@dataclass(frozen=True)
class Blocks:
    """Of one program: rows of x, rows of the weights, columns at a time; warps; how many loads ahead."""

    rows: int
    outputs: int
    inner: int
    warps: int
    stages: int

    @staticmethod
    def of(weights: Weights, rows: int, matrices: int = 1) -> Blocks:
        """For `rows` of x that meet the same matrix. `matrices` are accumulated side by side: two for gate and up.

        Not measured on a GPU. Tiles end where the published model's rows do (704 = 11 * 64), shared memory stays under
        the 101,376 bytes of consumer cards, and registers suffice: two matrices of 64 rows and outputs took 255
        registers of NVFP4 on sm_80 and sm_120, of 32 outputs they take 124 and 167.
        """
        height = 16 if rows <= 24 else 32 if rows <= 64 else 64
        small = weights.format == "float" or height == 64 or weights.inner % 128
        inner = max(64 if small else 128, weights.group)
        outputs = 64 // matrices if height == 64 else 64
        return Blocks(height, outputs, inner, 4, 3 if height == 64 or matrices > 1 else 4)

    def arguments(self, weights: Weights) -> dict[str, Any]:
        """The constants and options of a launch, by name."""
        return {
            "BM": self.rows,
            "BN": self.outputs,
            "BK": self.inner,
            "EVEN": weights.inner % self.inner == 0,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


def dtype_of(x: Tensor) -> Any:
    """Triton's name for x's type, which tiles have as well."""
    import triton.language as tl

    return {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}[x.dtype]
