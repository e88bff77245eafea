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
        self._stream = residual_stream({name: floats(weights[f"{name}.weight"]) for name in norms}, eps)
        self._attention = Attention(weights, config.attention(number), config.num_attention_heads, eps)
        self.encoder_scalar = encoder_scalar
        self.decoder_scalar = floats(weights["layer_scalar"])
        dtype = self.decoder_scalar.dtype
        self._mlp = GatedMlp.of(weights, "mlp.", dtype)
        self._router = Router(weights, config.top_k_experts)
        self._experts = Experts(weights["experts.gate_up_proj"], weights["experts.down_proj"], dtype)

    @property
    def host_waits(self) -> bool:
        """Whether a pass cannot be launched as a whole."""
        return self._experts.host_waits

    def __call__(self, x: Tensor, span: Span, scalar: Tensor, wanted: slice | Tensor = slice(None)) -> Tensor:
        """[batch, wanted, hidden] for x of shape [batch, tokens, hidden], whose keys and values go into the cache."""
        attended = self._attention(self._stream.before_attention(x), span, wanted)
        x = x[:, wanted]
        if x.shape[1] == 0:
            return x
        shape, x = x.shape, x.flatten(0, 1)
        x, normed, dense, routed = self._stream.after_attention(x, attended.flatten(0, 1))
        routed = self._experts(routed, *self._router(normed))
        return self._stream.after_feedforward(x, self._mlp(dense), routed, scalar).view(shape)
