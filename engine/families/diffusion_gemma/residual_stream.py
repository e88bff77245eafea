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

    @property
    def before(self) -> Tensor:
        """The weight of the norm that attention reads, [hidden]."""

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        """The stream with what attention adds, and its norms as router, dense block and experts read them."""

    def after_feedforward(
        self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor, following: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The stream with what dense block and experts add, times the layer's scalar; and its norm times what is
        `following`, [hidden]."""


def residual_stream(norms: Mapping[str, Tensor], router: Tensor, eps: float) -> ResidualStream:
    """By Triton's kernels on CUDA. `norms` maps the checkpoint's names to weights of shape [hidden], which `router` has
    too: what the norm is multiplied with that it reads."""
    device = norms["input_layernorm"].device.type
    return (TritonResiduals if availability.are_available(device) else TorchResiduals)(norms, router, eps)


class TorchResiduals:
    """Operation by operation."""

    def __init__(self, norms: Mapping[str, Tensor], router: Tensor, eps: float) -> None:
        self.before = norms["input_layernorm"]
        self._norms = norms
        self._router = router
        self._eps = eps

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        x = x + self._norm(attended, "post_attention_layernorm")
        normed = functional.rms_norm(x, (x.shape[-1],), None, self._eps)  # once for three readers with a weight each
        dense, routed = normed * self._norms["pre_feedforward_layernorm"], self._norms["pre_feedforward_layernorm_2"]
        return x, normed * self._router, dense, normed * routed

    def after_feedforward(
        self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor, following: Tensor
    ) -> tuple[Tensor, Tensor]:
        dense = self._norm(dense, "post_feedforward_layernorm_1")
        dense.add_(self._norm(routed, "post_feedforward_layernorm_2"))
        x = (x + self._norm(dense, "post_feedforward_layernorm")).mul_(scalar)
        return x, functional.rms_norm(x, (x.shape[-1],), following, self._eps)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self._norms[name], self._eps)


class TritonResiduals:
    """One launch each. What is routed may have a row for each choice of a token, [tokens, choices, hidden]."""

    def __init__(self, norms: Mapping[str, Tensor], router: Tensor, eps: float) -> None:
        from lacuna.engine.kernels import layer_norms

        self.before = norms["input_layernorm"]
        self._kernels = layer_norms
        self._post = norms["post_attention_layernorm"]
        self._reads = (router, norms["pre_feedforward_layernorm"], norms["pre_feedforward_layernorm_2"])
        one, two = norms["post_feedforward_layernorm_1"], norms["post_feedforward_layernorm_2"]
        self._sums = (one, two, norms["post_feedforward_layernorm"])
        self._eps = eps

    def after_attention(self, x: Tensor, attended: Tensor) -> Read:
        return self._kernels.after_attention(x, attended, self._post, self._reads, self._eps)

    def after_feedforward(
        self, x: Tensor, dense: Tensor, routed: Tensor, scalar: Tensor, following: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self._kernels.after_feedforward(x, dense, routed, self._sums, scalar, following, self._eps)
