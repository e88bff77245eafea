"""A pass through a decoder's layers by Triton's kernels: sums with the norms behind them, rotations, gates at once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lacuna.engine.kernels.gated import silu_times
from lacuna.engine.kernels.norms import add_norm, rms_norm
from lacuna.engine.kernels.rope_to_cache import rope_to_cache
from lacuna.engine.models.decoder import DecoderConfig, Layer, Place, attended


def through(layers: Sequence[Layer], x: Tensor, norm: Tensor, place: Place, config: DecoderConfig) -> Tensor:
    """Final hidden states [tokens, hidden] of embeddings of that shape; `norm` is the one after the last layer."""
    eps = config.rms_norm_eps
    normed = rms_norm(x, layers[0].input_layernorm, eps)
    following = [*(layer.input_layernorm for layer in layers[1:]), norm]
    for number, (layer, next_norm) in enumerate(zip(layers, following, strict=True)):
        queries = _turned(layer.qkv_proj(normed), layer.qkv_bias, number, place, config)
        mixed = attended(queries, number, place)
        x, normed = add_norm(x, layer.o_proj(mixed), layer.post_attention_layernorm, eps)
        inner = silu_times(layer.gate_proj(normed), layer.up_proj(normed))
        x, normed = add_norm(x, layer.down_proj(inner), next_norm, eps)
    return normed


def _turned(qkv: Tensor, bias: Tensor | None, layer: int, place: Place, config: DecoderConfig) -> Tensor:
    """Queries [tokens, heads, head_dim]; keys and values go to the layer's slots."""
    heads = qkv.view(1, len(qkv), -1, config.head_dim)
    slots = slice(place.start, place.start + len(qkv))
    room = (place.cache.keys[layer, None, :, slots], place.cache.values[layer, None, :, slots])
    return rope_to_cache(heads, place.cos_sin, *room, config.num_attention_heads, bias=bias)[0]
