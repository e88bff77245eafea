"""One transformer layer: attention, then the dense block and the experts side by side."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.attention import Attention, Span
from lacuna.engine.families.diffusion_gemma.cache import LayerCache
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.experts import Experts, Router
from lacuna.engine.families.diffusion_gemma.mlp import GatedMlp
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.layers.packed_linear import Weight, floats


class Layer:
    """`weights` maps names inside a layer to tensors and codecs. Encoder and decoder differ in the scalar alone."""

    def __init__(
        self, weights: Mapping[str, Weight], config: DiffusionGemmaConfig, number: int, encoder_scalar: Tensor
    ) -> None:
        eps = config.rms_norm_eps
        norms = {name.removesuffix(".weight") for name in weights if "layernorm" in name}
        self._norms = {name: floats(weights[f"{name}.weight"]) for name in norms}
        self._attention = Attention(weights, config.attention(number), config.num_attention_heads, eps)
        self.encoder_scalar = encoder_scalar
        self.decoder_scalar = floats(weights["layer_scalar"])
        dtype = self.decoder_scalar.dtype
        self._mlp = GatedMlp.of(weights, "mlp.", dtype)
        self._router = Router(weights, config.top_k_experts)
        self._experts = Experts(weights["experts.gate_up_proj"], weights["experts.down_proj"], dtype)
        self._eps = eps

    def __call__(
        self, x: Tensor, rope: Rope, span: Span, cache: LayerCache, scalar: Tensor, wanted: slice | Tensor = slice(None)
    ) -> Tensor:
        """[batch, wanted, hidden] for x of shape [batch, tokens, hidden], whose keys and values go into the cache."""
        attended = self._attention(self._norm(x, "input_layernorm"), rope, span, cache, wanted)
        x = x[:, wanted]
        if x.shape[1] == 0:
            return x
        x = x + self._norm(attended, "post_attention_layernorm")
        return (x + self._feedforward(x.flatten(0, 1)).view_as(x)).mul_(scalar)

    def _feedforward(self, x: Tensor) -> Tensor:
        normed = functional.rms_norm(x, (x.shape[-1],), None, self._eps)  # once for three readers with a weight each
        dense = self._norm(self._mlp(normed * self._norms["pre_feedforward_layernorm"]), "post_feedforward_layernorm_1")
        routed = self._experts(normed * self._norms["pre_feedforward_layernorm_2"], *self._router(normed))
        routed = self._norm(routed, "post_feedforward_layernorm_2")
        return self._norm(dense.add_(routed), "post_feedforward_layernorm")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self._norms[name], self._eps)
