"""Masked diffusion models, whose weights can be quantized and which nothing here computes yet: Dream and LLaDA.

Both hold a decoder's matrices. Dream has Qwen 2's names; LLaDA names them otherwise, in its config too. The code that
comes with them is data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lacuna.engine.models import architectures
from lacuna.engine.models.decoder import EMBEDDING, FINAL_NORM, HEAD, DecoderConfig, layer_name
from lacuna.engine.untrusted.config_file import Fields

DREAM, LLADA = "Dream", "llada"  # model_type; that of DiffuCoder and DreamOn is Dream as well
MODELS = (DREAM, LLADA)
LLADA_HEAD = "model.transformer.ff_out"
_LLADA_LAYER = re.compile(r"model\.transformer\.blocks\.(\d+)\.(\w+)\.(\w+)")
# LLaDA's names for a decoder's modules.
_OUTSIDE = {
    "model.transformer.wte.weight": EMBEDDING,
    "model.transformer.ln_f.weight": FINAL_NORM,
    f"{LLADA_HEAD}.weight": HEAD,
}
_INSIDE = {
    "attn_norm": "input_layernorm",
    "q_proj": "self_attn.q_proj",
    "k_proj": "self_attn.k_proj",
    "v_proj": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ff_norm": "post_attention_layernorm",
    "ff_proj": "mlp.gate_proj",
    "up_proj": "mlp.up_proj",
    "ff_out": "mlp.down_proj",
}


def config(values: Mapping[str, Any]) -> DecoderConfig:
    """The sizes of a decoder with as many weights, from a config.json. Raises LoadError. What has other weights, fused
    projections, say, is told by their names."""
    if values["model_type"] == DREAM:
        return architectures.read({**values, "model_type": architectures.QWEN2})
    fields = Fields("config.json", values)
    hidden, heads = fields.integer("d_model", 1, 1 << 16), fields.integer("n_heads", 1, 1024)
    return DecoderConfig(
        vocab_size=fields.integer("embedding_size", 1, 1 << 20, values.get("vocab_size")),
        hidden_size=hidden,
        intermediate_size=fields.integer("mlp_hidden_size", 1, 1 << 18),
        num_hidden_layers=fields.integer("n_layers", 1, 512),
        num_attention_heads=heads,
        num_key_value_heads=fields.integer("n_kv_heads", 1, heads, heads),
        head_dim=hidden // heads,
        rms_norm_eps=fields.number("rms_norm_eps", 0.0, 1.0),
        rope_theta=fields.number("rope_theta", 1.0, 1e12),
        max_position_embeddings=fields.integer("max_sequence_length", 1, 1 << 30),
        is_tied=fields.flag("weight_tying"),
    )


def canonical(model_type: str) -> Callable[[str], str]:
    """A decoder's name for what a checkpoint of this type calls otherwise."""
    return _of_llada if model_type == LLADA else str


def _of_llada(name: str) -> str:
    found = _LLADA_LAYER.fullmatch(name)
    if found is None or found[2] not in _INSIDE:
        return _OUTSIDE.get(name, name)
    return layer_name(int(found[1]), f"{_INSIDE[found[2]]}.{found[3]}")
