"""One transformer layer: attention, then the dense block and the experts side by side."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lacuna.engine.families.diffusion_gemma.attention import Attention, Span
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.experts import Experts, Router
from lacuna.engine.families.diffusion_gemma.mlp import GatedMlp
from lacuna.engine.families.diffusion_gemma.residual_stream import residual_stream
from lacuna.engine.layers.packed_linear import Weight, floats


class Layer:
    """`weights` maps names inside a layer to tensors and codecs. Encoder and decoder differ in the scalar alone."""

    def __init__(
        self, weights: Mapping[str, Weight], config: DiffusionGemmaConfig, number: int, encoder_scalar: Tensor
    ) -> None:
        eps = config.rms_norm_eps
        norms = {name.removesuffix(".weight") for name in weights if "layernorm" in name}
        self._router = Router(weights, config.top_k_experts)
        norm_weights = {name: floats(weights[f"{name}.weight"]) for name in norms}
        self._stream = residual_stream(norm_weights, self._router.scale, eps)
        self._attention = Attention(weights, config.attention(number), config.num_attention_heads, eps)
        self.encoder_scalar = encoder_scalar
        self.decoder_scalar = floats(weights["layer_scalar"])
        dtype = self.decoder_scalar.dtype
        self._mlp = GatedMlp.of(weights, "mlp.", dtype)
        self._experts = Experts(weights["experts.gate_up_proj"], weights["experts.down_proj"], dtype)

    @property
    def host_waits(self) -> bool:
        """Whether a pass cannot be launched as a whole."""
        return self._experts.host_waits

    @property
    def before(self) -> Tensor:
        """The weight of the norm in front of the layer, [hidden]."""
        return self._stream.before

    def __call__(
        self,
        x: Tensor,
        normed: Tensor,
        span: Span,
        scalar: Tensor,
        following: Tensor,
        wanted: slice | Tensor = slice(None),
    ) -> tuple[Tensor, Tensor]:
        """Hidden states [batch, wanted, hidden] for x [batch, tokens, hidden] and its norm, and their norm with the
        weight that is `following`. Keys and values go where the span says."""
        attended = self._attention(normed, span, wanted)
        x = x[:, wanted]
        if x.shape[1] == 0:
            return x, x
        shape, x = x.shape, x.flatten(0, 1)
        x, chosen, dense, routed = self._stream.after_attention(x, attended.flatten(0, 1))
        routed = self._experts(routed, *self._router(chosen))
        x, normed = self._stream.after_feedforward(x, self._mlp(dense), routed, scalar, following)
        return x.view(shape), normed.view(shape)
