"""The config.json of an architecture that the decoder computes: Llama and Qwen 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lacuna.engine.models.decoder import DecoderConfig
from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

LLAMA, QWEN2 = "llama", "qwen2"


def read(config: Mapping[str, Any]) -> DecoderConfig:
    """From the content of a config.json. Raises LoadError for numbers that no model has, and for a variant that the
    decoder does not compute."""
    fields = Fields("config.json", config)
    rope = fields.part("rope_parameters", fields.part("rope_scaling", {}).values)
    unsupported = {
        "model_type": config.get("model_type") not in (LLAMA, QWEN2),
        "attention_bias": fields.flag("attention_bias"),
        "mlp_bias": fields.flag("mlp_bias"),
        "hidden_act": config.get("hidden_act", "silu") != "silu",
        "use_sliding_window": fields.flag("use_sliding_window"),
        "rope_scaling": rope.values.get("rope_type", "default") != "default",
    }
    if any(unsupported.values()):
        raise LoadError(f"config.json: not supported here: {[key for key, bad in unsupported.items() if bad]}")
    hidden = fields.integer("hidden_size", 1, 1 << 16)
    heads = fields.integer("num_attention_heads", 1, 1024)
    pairs = fields.integer("num_key_value_heads", 1, heads, heads)
    width = fields.integer("head_dim", 2, 1024, hidden // heads)
    if heads % pairs or width % 2:
        fields.refuse(f"{heads} heads of {width} numbers cannot share {pairs} keys")
    return DecoderConfig(
        vocab_size=fields.integer("vocab_size", 1, 1 << 20),
        hidden_size=hidden,
        intermediate_size=fields.integer("intermediate_size", 1, 1 << 18),
        num_hidden_layers=fields.integer("num_hidden_layers", 1, 512),
        num_attention_heads=heads,
        num_key_value_heads=pairs,
        head_dim=width,
        rms_norm_eps=fields.number("rms_norm_eps", 0.0, 1.0),
        rope_theta=rope.number("rope_theta", 1.0, 1e12, fields.number("rope_theta", 1.0, 1e12, 10_000.0)),
        max_position_embeddings=fields.integer("max_position_embeddings", 1, 1 << 30),
        model_type=str(config["model_type"]),
        has_qkv_bias=config["model_type"] == QWEN2,  # its config does not say so
        is_tied=fields.flag("tie_word_embeddings"),
    )
