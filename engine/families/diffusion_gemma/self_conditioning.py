"""Self-conditioning: what the last denoising step expected at a position is added to the embedding of its noise."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.mlp import GatedMlp
from lacuna.engine.layers.packed_linear import Weight, floats


class SelfConditioning:
    """`weights` maps the checkpoint's names inside `self_conditioning` to weights."""

    def __init__(self, weights: Mapping[str, Weight], eps: float) -> None:
        self._pre_norm = floats(weights["pre_norm.weight"])
        self._mlp = GatedMlp.of(weights, "", self._pre_norm.dtype)
        self._eps = eps

    def __call__(self, embedded: Tensor, expected: Tensor | None) -> Tensor:
        """Decoder inputs [batch, canvas, hidden]. `expected` has that shape; without it only the norm is left."""
        width = (embedded.shape[-1],)
        if expected is not None:
            normed = functional.rms_norm(expected, width, self._pre_norm, self._eps)
            embedded = embedded + self._mlp(normed.flatten(0, 1)).view_as(embedded)
        return functional.rms_norm(embedded, width, None, self._eps)
