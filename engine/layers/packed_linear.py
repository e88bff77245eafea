"""Products with weights in any codec: torch's own int4 product on a CPU where it is exact, kernels on a GPU that runs
them, else decoded at every use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lacuna.engine.layers import packed_kernels
from lacuna.engine.layers.linear import Linear, Matrix, Unfused, product
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.int4 import GROUPS, Int4
from lacuna.engine.layers.quantized.joined import joined

Weight = Tensor | Codec
Product = Callable[[Tensor], Tensor]

OUTPUTS = 16  # torch's int4 product on CPU wants a multiple of them


def linear(*weights: Weight, dtype: torch.dtype) -> Matrix:
    """x -> x W^T for x of shape [tokens, in] in `dtype`, and W of shape [out, in].

    The outputs of several matrices stand one beside the other; kernels make one product of those that are packed alike.
    A codec stays as it is packed, but for torch's int4 product on CPU, which takes the same bits in another order.
    """
    if len(weights) > 1 and (product := _at_once(weights, dtype)):
        return product
    return side_by_side([weight if isinstance(weight, Tensor) else _packed(weight, dtype) for weight in weights])


def side_by_side(parts: Sequence[Tensor | Matrix], pack: Callable[[Tensor], Matrix] = Linear) -> Matrix:
    """A product with several matrices, as if their rows were one matrix; `pack` makes it of those in floats."""
    floats = [part for part in parts if isinstance(part, Tensor)]
    if len(floats) == len(parts):
        return pack(floats[0] if len(floats) == 1 else torch.cat(floats))
    matrices = [pack(part) if isinstance(part, Tensor) else part for part in parts]
    return matrices[0] if len(matrices) == 1 else SideBySide(matrices)


def floats(weight: Weight | Matrix) -> Tensor:
    """A weight that is no matrix, and that no dialect may pack."""
    assert isinstance(weight, Tensor), "the dialect is to refuse a codec here"
    return weight


class SideBySide(Unfused):
    """Products with several matrices, as if their rows were one matrix: each may have a codec of its own."""

    def __init__(self, parts: Sequence[Matrix]) -> None:
        self._parts = parts
        self.shape = (sum(part.shape[0] for part in parts), parts[0].shape[1])

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self._parts], dim=-1)


class DecodedLinear(Unfused):
    """A matrix that is decoded for every product: the packed weights are all that is kept."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.shape = codec.shape
        self.nbytes = codec.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        return product(x, self._codec.decode(x.dtype).t())


class Int4CpuLinear(Unfused):
    """An int4 matrix in bfloat16 on CPU by torch's own product, which computes with the exact weights in float32.

    2816 -> 1408 in groups of 32, one core of an Intel Xeon (AMX): 1 token 0.2 ms, 16 tokens 1.4, 256 tokens 22.5;
    decoded at every use 5.9, 6.0, 7.5. An expert has 16 of a canvas of 256.
    """

    def __init__(self, codec: Int4) -> None:
        """`codec` is one that `is_exact`."""
        levels = torch.stack([codec.payload & 15, codec.payload >> 4], dim=-1).flatten(-2).int()
        self._levels = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 1)
        pairs = torch.stack([codec.scale.bfloat16(), _centre(codec).bfloat16()], dim=-1)  # [out, groups, 2]
        self._scales = pairs.transpose(0, 1).contiguous()
        self._group = codec.group
        self.shape = codec.shape
        self.nbytes = self._levels.nbytes + self._scales.nbytes

    @staticmethod
    def is_exact(codec: Codec, dtype: torch.dtype) -> bool:
        """Whether the product takes this matrix, and what it keeps in bfloat16 loses nothing."""
        return (
            isinstance(codec, Int4)
            and codec.device.type == "cpu"
            and dtype == torch.bfloat16
            and codec.group in GROUPS
            and codec.shape[0] % OUTPUTS == 0
            and all(_fits_bfloat16(numbers) for numbers in (codec.scale, _centre(codec)))
        )

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.aten._weight_int4pack_mm_for_cpu(x.contiguous(), self._levels, self._group, self._scales)


def _packed(codec: Codec, dtype: torch.dtype) -> Matrix:
    if isinstance(codec, Int4) and Int4CpuLinear.is_exact(codec, dtype):
        return Int4CpuLinear(codec)
    return packed_kernels.linear(codec, dtype) or DecodedLinear(codec)


def _at_once(weights: Sequence[Weight], dtype: torch.dtype) -> Matrix | None:
    """One product by a kernel, where all are packed, it takes them, and they can be joined."""
    codecs = [weight for weight in weights if isinstance(weight, Codec)]
    if len(codecs) < len(weights):
        return None
    if any(packed_kernels.refusal(type(codec), codec.device.type, dtype) for codec in codecs):
        return None
    one = joined(codecs)
    return None if one is None else packed_kernels.linear(one, dtype)


def _centre(codec: Int4) -> Tensor:
    """What the level 0 stands for, float32 [out, groups]."""
    scale = codec.scale.float()
    return torch.zeros_like(scale) if codec.zero_point is None else -codec.zero_point * scale


def _fits_bfloat16(numbers: Tensor) -> bool:
    exact = numbers.float()
    return torch.equal(exact.bfloat16().float(), exact)
