"""What a GGUF file calls a DiffusionGemma's weights, and what it says of them that config.json must say too.

The names are those that llama.cpp's converter gives the architecture `diffusion-gemma`. A file has no vision.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.layers import weight_files
from lacuna.engine.untrusted.load_error import LoadError

ARCHITECTURE = "diffusion-gemma"
PRECISION = 1e-6  # relative: numbers are float32 in a file
NOT_READ = ("rope_freqs.weight",)  # config.json says how heads rotate
_DECODER, _ENCODER = "model.decoder.", "model.encoder.language_model."
_NAMES = {
    "token_embd.weight": "embed_tokens.weight",
    "output_norm.weight": "norm.weight",
    "self_cond_pre_norm.weight": "self_conditioning.pre_norm.weight",
    "self_cond_gate.weight": "self_conditioning.gate_proj.weight",
    "self_cond_up.weight": "self_conditioning.up_proj.weight",
    "self_cond_down.weight": "self_conditioning.down_proj.weight",
}
_LAYER_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "post_attention_norm.weight": "post_attention_layernorm.weight",
    "ffn_norm.weight": "pre_feedforward_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "post_ffw_norm_1.weight": "post_feedforward_layernorm_1.weight",
    "pre_ffw_norm_2.weight": "pre_feedforward_layernorm_2.weight",
    "ffn_gate_inp.weight": "router.proj.weight",
    "ffn_gate_inp.scale": "router.scale",
    "ffn_gate_up_exps.weight": "experts.gate_up_proj",
    "ffn_down_exps.weight": "experts.down_proj",
    "ffn_down_exps.scale": "router.per_expert_scale",
    "post_ffw_norm_2.weight": "post_feedforward_layernorm_2.weight",
    "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
    "layer_output_scale.weight": "layer_scalar",
}
_ENCODER_SCALAR = "enc_layer_output_scale.weight"
_LAYER = re.compile(r"blk\.(0|[1-9]\d{0,2})\.(.+)")


def canonical(name: str) -> str:
    """Our name for a tensor of a GGUF file; "" for one that no such model has."""
    layer = _LAYER.fullmatch(name)
    if layer is None:
        return f"{_DECODER}{_NAMES[name]}" if name in _NAMES else ""
    if layer[2] == _ENCODER_SCALAR:
        return f"{_ENCODER}layers.{layer[1]}.layer_scalar"
    return f"{_DECODER}layers.{layer[1]}.{_LAYER_NAMES[layer[2]]}" if layer[2] in _LAYER_NAMES else ""


def check(file: Path, config: DiffusionGemmaConfig) -> None:
    """Raises LoadError for a file of another model than `config` is of, as far as shapes do not show it.

    What a file does not say is not held against it: config.json decides.
    """
    said = weight_files.metadata(file)
    architecture = said.get("general.architecture")
    if not isinstance(architecture, str) or architecture != ARCHITECTURE:
        known = f"and a model_type of diffusion_gemma goes with {ARCHITECTURE}"
        raise LoadError.of(file, f"is of the architecture {str(architecture)[:40]!r}, {known}")
    for key, expected in _said(config).items():
        found = said.get(key, expected)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or not math.isclose(found, expected, rel_tol=PRECISION):
            raise LoadError.of(file, f"says that {key} is {str(found)[:40]}, and config.json says {expected:g}")


def _said(config: DiffusionGemmaConfig) -> dict[str, float]:
    sliding, full = config.sliding, config.full
    said = {
        "block_count": config.num_hidden_layers,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "expert_count": config.num_experts,
        "expert_used_count": config.top_k_experts,
        "expert_feed_forward_length": config.moe_intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.key_length": full.head_dim,
        "attention.key_length_swa": sliding.head_dim,
        "attention.sliding_window": sliding.window or 0,
        "rope.freq_base": full.rope_theta,
        "rope.freq_base_swa": sliding.rope_theta,
        "final_logit_softcapping": config.final_logit_softcapping,
    }
    return {f"{ARCHITECTURE}.{key}": value for key, value in said.items()} | {
        "diffusion.canvas_length": config.canvas_length
    }
