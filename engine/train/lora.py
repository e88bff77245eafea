"""The trainable part: LoRA factors (arXiv 2106.09685) for every matrix of the layers, and tensors beside them, such as
the learned mask vector.

A step's forward pass multiplies with merged weights, W + alpha / r * B A, one product instead of three; the factors'
gradients come from two thin products a matrix. Merging takes 60 ms a step, the thin products of an unmerged forward a
third of the pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.families.gap.lora import Adapter, peft_name

# Matrices that read the same input are multiplied as one: names inside a layer.
STACKS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


@dataclass(frozen=True)
class Factors:
    """float32; `down` is LoRA's A [r, in], `up` its B [out, r]."""

    down: Tensor
    up: Tensor


class Stack:
    """Matrices of one input as one matrix [outs, in]: the base's weight and the factors of its parts."""

    def __init__(self, weights: list[Tensor], factors: list[Factors], scale: float) -> None:
        self.base = torch.cat(weights) if len(weights) > 1 else weights[0]  # [outs, in]
        self.factors = factors
        self.sizes = [weight.shape[0] for weight in weights]
        self.scale = scale
        self.merged = self.base.clone()
        # The factors in the base's dtype, as of the last merge.
        self.cast = [
            Factors(*(side.detach().to(self.base.dtype, copy=True) for side in (f.down, f.up))) for f in factors
        ]

    @torch.no_grad()
    def merge(self) -> None:
        """Takes over what the optimizer has changed, in place: a captured pass (captured.py) knows tensors by where
        they are."""
        parts = zip(self.merged.split(self.sizes), self.base.split(self.sizes), self.factors, self.cast, strict=True)
        for weight, base, factor, cast in parts:
            cast.down.copy_(factor.down)
            cast.up.copy_(factor.up)
            torch.addmm(base, cast.up, cast.down, alpha=self.scale, out=weight)

    def __call__(self, x: Tensor) -> Tensor:
        """x [rows, in] -> [rows, outs]."""
        factors = [tensor for factor in self.factors for tensor in (factor.down, factor.up)]
        return _MergedProduct.apply(x, self, *factors)


class _MergedProduct(torch.autograd.Function):
    """y = x W^T, W merged. With g = dL/dy, s the scale: dL/dx = g W, dL/dA = s (g B)^T x, dL/dB = s g^T (x A^T)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stack: Stack, *factors: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.stack = stack
        return torch.nn.functional.linear(x, stack.merged)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        stack: Stack = ctx.stack
        grad = grads[0].contiguous()
        of_factors: list[Tensor] = []
        for part, factor in zip(grad.split(stack.sizes, dim=1), stack.cast, strict=True):
            of_factors += [
                ((part @ factor.up).T @ x).float() * stack.scale,  # [r, in]
                (part.T @ (x @ factor.down.T)).float() * stack.scale,  # [out, r]
            ]
        return grad @ stack.merged, None, *of_factors


class Lora:
    """All stacks, layer by layer, and the tensors beside them."""

    def __init__(
        self,
        layers: list[Mapping[str, Tensor]],
        rank: int,
        alpha: float,
        start: Adapter | None,
        beside: Mapping[str, Tensor],
    ) -> None:
        """`layers` are the base's. Factors begin as those of `start`, or so that they change nothing, and so do the
        tensors `beside` them, which are given as they are without it."""
        self._factors: dict[str, Factors] = {}
        self.rank, self.alpha = rank, alpha
        self.beside = {
            name: _parameter(tensor if start is None else start.tensors[name], tensor.device)
            for name, tensor in beside.items()
        }
        self.layers = [
            {
                stack: Stack(
                    [layer[f"{name}.weight"] for name in names],
                    [self._factor(number, name, layer[f"{name}.weight"], start) for name in names],
                    alpha / rank,
                )
                for stack, names in STACKS.items()
            }
            for number, layer in enumerate(layers)
        ]

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Names as in PEFT's files."""
        for name, factors in self._factors.items():
            yield peft_name(name, "A"), factors.down
            yield peft_name(name, "B"), factors.up
        yield from self.beside.items()

    def merge(self) -> None:
        for layer in self.layers:
            for stack in layer.values():
                stack.merge()

    def _factor(self, layer: int, name: str, weight: Tensor, start: Adapter | None) -> Factors:
        place = f"{layer}.{name}"
        if start is not None and peft_name(place, "A") in start.tensors:
            down, up = (start.tensors[peft_name(place, side)] for side in "AB")
        else:
            generator = torch.Generator().manual_seed(len(self._factors))
            down = torch.randn(self.rank, weight.shape[1], generator=generator) * weight.shape[1] ** -0.5
            up = torch.zeros(weight.shape[0], self.rank)
        self._factors[place] = Factors(_parameter(down, weight.device), _parameter(up, weight.device))
        return self._factors[place]


def _parameter(start: Tensor, device: torch.device) -> Tensor:
    return start.to(device, torch.float32, copy=True).requires_grad_()
