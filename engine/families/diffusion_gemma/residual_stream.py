"""What stands between the products of a layer: norms, and sums into the residual stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor
from torch.nn import functional

from lacuna.engine.kernels import availability

Read = tuple[Tensor, Tensor, Tensor, Tensor]


class ResidualStream(Protocol):
    """All tensors have shape [tokens, hidden]."""

    def before_attention(self, x: Tensor) -> Tensor:
        """The norm that attention reads."""

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        """The stream with what attention adds, its norm without a weight, and what dense block and experts read."""

    def after_feedforward(self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor) -> Tensor:
        """The stream with what dense block and experts add, times the layer's scalar."""


def residual_stream(norms: Mapping[str, Tensor], eps: float) -> ResidualStream:
    """By Triton's kernels on CUDA. `norms` maps the checkpoint's names to weights of shape [hidden]."""
    device = norms["input_layernorm"].device.type
    return (TritonResiduals if availability.are_available(device) else TorchResiduals)(norms, eps)


class TorchResiduals:
    """Operation by operation."""

    def __init__(self, norms: Mapping[str, Tensor], eps: float) -> None:
        self._norms = norms
        self._eps = eps

    def before_attention(self, x: Tensor) -> Tensor:
        return self._norm(x, "input_layernorm")

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        x = x + self._norm(attended, "post_attention_layernorm")
        normed = functional.rms_norm(x, (x.shape[-1],), None, self._eps)  # once for three readers with a weight each
        dense, routed = normed * self._norms["pre_feedforward_layernorm"], self._norms["pre_feedforward_layernorm_2"]
        return x, normed, dense, normed * routed

    def after_feedforward(self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor) -> Tensor:
        dense = self._norm(dense, "post_feedforward_layernorm_1")
        dense.add_(self._norm(routed, "post_feedforward_layernorm_2"))
        return (x + self._norm(dense, "post_feedforward_layernorm")).mul_(scalar)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self._norms[name], self._eps)


class TritonResiduals:
    """One launch each."""

    def __init__(self, norms: Mapping[str, Tensor], eps: float) -> None:
        from lacuna.engine.kernels import layer_norms
        from lacuna.engine.kernels.norms import rms_norm

        self._rms_norm, self._kernels = rms_norm, layer_norms
        self._input = norms["input_layernorm"]
        dense, routed = norms["pre_feedforward_layernorm"], norms["pre_feedforward_layernorm_2"]
        self._reads = (norms["post_attention_layernorm"], dense, routed)
        one, two = norms["post_feedforward_layernorm_1"], norms["post_feedforward_layernorm_2"]
        self._sums = (one, two, norms["post_feedforward_layernorm"])
        self._eps = eps

    def before_attention(self, x: Tensor) -> Tensor:
        return self._rms_norm(x, self._input, self._eps)

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        return self._kernels.after_attention(x, attended, *self._reads, self._eps)

    def after_feedforward(self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor) -> Tensor:
        return self._kernels.after_feedforward(x, dense, routed, self._sums, scalar, self._eps)
