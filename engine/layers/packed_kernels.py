"""Which products with packed weights, and which experts, the kernels in Triton take, and why not the others.

That is found out once, and said: in the log, and by `lacuna doctor`. Before they are used, the kernels are held against
torch on the device itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from lacuna.engine.kernels import availability
from lacuna.engine.kernels.weights import Weights
from lacuna.engine.layers.linear import Unfused
from lacuna.engine.layers.quantized.codec import Codec
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.layers.quantized.int4 import Int4
from lacuna.engine.layers.quantized.nvfp4 import Nvfp4

Mixture = Callable[[Tensor, Tensor, Tensor], Tensor]

KINDS = (Tensor, Fp8, Int4, Nvfp4)  # what kernels multiply with

logger = logging.getLogger(__name__)


def linear(codec: Codec, dtype: torch.dtype) -> KernelLinear | None:
    """Products with a matrix by a kernel, for x in `dtype`; None where the kernels do not take them."""
    if refusal(type(codec), codec.device.type, dtype):
        return None
    return KernelLinear(as_kernels_take_it(codec))


def experts(gate_up: Tensor | Codec, down: Tensor | Codec, dtype: torch.dtype) -> Mixture | None:
    """A mixture of experts by kernels, packed or floats: [tokens, hidden] of x, experts and shares. None where they do
    not take it."""
    if any(refusal(_kind(bank), bank.device.type, dtype) for bank in (gate_up, down)):
        return None
    from lacuna.engine.kernels.experts import experts as mixture

    first, second = as_kernels_take_it(gate_up), as_kernels_take_it(down)
    return lambda x, expert, share: mixture(x, expert, share, first, second)


class KernelLinear(Unfused):
    """`y = x W^T` for x of shape [..., in]: W is decoded inside the product."""

    def __init__(self, weights: Weights) -> None:
        from lacuna.engine.kernels.linear import linear as multiply

        self._multiply = multiply
        self._weights = weights
        self.shape = (weights.outputs, weights.inner)
        parts = (weights.payload, weights.scale, weights.zero, weights.whole)
        self.nbytes = sum(part.nbytes for part in parts if part is not None)

    def __call__(self, x: Tensor) -> Tensor:
        return self._multiply(x, self._weights)


def as_kernels_take_it(weight: Tensor | Codec) -> Weights:
    """The same tensors, seen as kernels do, of one of KINDS."""
    if isinstance(weight, Fp8):
        return Weights("fp8", weight.payload.view(torch.uint8), weight.scale)
    if isinstance(weight, Int4):
        return Weights("int4", weight.payload, weight.scale, weight.zero_point)
    if isinstance(weight, Nvfp4):
        return Weights("nvfp4", weight.payload, weight.scale.view(torch.uint8), None, weight.global_scale)
    assert isinstance(weight, Tensor), f"kernels do not know {type(weight).__name__}"
    return Weights("float", weight)


def _kind(weight: Tensor | Codec) -> type[Tensor | Codec]:
    return Tensor if isinstance(weight, Tensor) else type(weight)


@cache
def refusal(kind: type[Tensor | Codec], device: str, dtype: torch.dtype) -> str:
    """Why kernels do not multiply with weights of a kind on a device, for x in `dtype`; "" where they do. A GPU's
    answer is logged, once."""
    if device == "cpu":
        return "a CPU does not run them"
    found = _missing(device, dtype)
    if not found:
        found = _wrong(kind, device, dtype) if kind in KINDS else "they do not know it"
    logger.info("products with weights in %s: %s", in_capitals(kind), in_words(found))
    return found


def in_capitals(kind: type[Tensor | Codec]) -> str:
    """A codec's name."""
    return "floats" if kind is Tensor else kind.__name__.upper()


def in_words(why_not: str) -> str:
    """How packed weights are multiplied with, by what `refusal` found."""
    return f"decoded at every use, not by kernels: {why_not}" if why_not else "by kernels in Triton"


def _missing(device: str, dtype: torch.dtype) -> str:
    if device != "cuda":
        return f"{device} is no NVIDIA GPU"
    if dtype != torch.bfloat16:
        return f"they compute in bfloat16, not in {str(dtype).removeprefix('torch.')}"
    return availability.obstacle() if torch.cuda.is_available() else "torch finds no GPU"


def _wrong(kind: type[Tensor | Codec], device: str, dtype: torch.dtype) -> str:
    from lacuna.engine.layers import kernel_check

    return availability.found_by(lambda: kernel_check.differs(kind, torch.device(device), dtype))
