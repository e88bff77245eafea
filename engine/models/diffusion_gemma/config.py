"""What a DiffusionGemma checkpoint says about itself: config.json translated, and the tensors it must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class AttentionConfig:
    """Attention of one kind of layer."""

    head_dim: int
    num_key_value_heads: int
    rope_theta: float
    rotated: int  # dimensions of a head that rotate; the others stand still (p-RoPE)
    window: int | None  # tokens a sliding layer sees, itself included; None in a full layer, which has no v_proj


@dataclass(frozen=True)
class DiffusionGemmaConfig:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_experts: int
    top_k_experts: int
    moe_intermediate_size: int
    rms_norm_eps: float
    final_logit_softcapping: float
    max_position_embeddings: int
    canvas_length: int
    sliding: AttentionConfig
    full: AttentionConfig
    is_sliding: tuple[bool, ...]  # one entry per layer

    @property
    def num_hidden_layers(self) -> int:
        return len(self.is_sliding)

    def attention(self, layer: int) -> AttentionConfig:
        return self.sliding if self.is_sliding[layer] else self.full

    @staticmethod
    def from_hf(config: Mapping[str, Any]) -> DiffusionGemmaConfig:
        """From the content of a config.json. Raises ValueError for a variant that this model does not compute."""
        text = config.get("text_config", {})
        kinds = text.get("layer_types") or []
        unsupported = {
            "model_type": config.get("model_type") != "diffusion_gemma",
            "tie_word_embeddings": not config.get("tie_word_embeddings", True),
            "attention_bias": bool(text.get("attention_bias")),
            "hidden_activation": text.get("hidden_activation", "gelu_pytorch_tanh") != "gelu_pytorch_tanh",
            "use_bidirectional_attention": text.get("use_bidirectional_attention") not in (None, "vision"),
            "layer_types": not kinds
            or kinds[-1] != "full_attention"
            or not set(kinds) <= {"sliding_attention", "full_attention"},
            "num_experts": not text.get("num_experts"),
        }
        if any(unsupported.values()):
            raise ValueError(f"config.json: not supported here: {[key for key, bad in unsupported.items() if bad]}")
        return DiffusionGemmaConfig(
            vocab_size=text["vocab_size"],
            hidden_size=text["hidden_size"],
            intermediate_size=text["intermediate_size"],
            num_attention_heads=text["num_attention_heads"],
            num_experts=text["num_experts"],
            top_k_experts=text["top_k_experts"],
            moe_intermediate_size=text["moe_intermediate_size"],
            rms_norm_eps=text["rms_norm_eps"],
            final_logit_softcapping=text.get("final_logit_softcapping", 30.0),
            max_position_embeddings=text["max_position_embeddings"],
            canvas_length=config.get("canvas_length", 256),
            sliding=_sliding(text),
            full=_full(text, kinds.index("full_attention")),
            is_sliding=tuple(kind == "sliding_attention" for kind in kinds),
        )

    def shapes(self) -> dict[str, Shape]:
        """Name and shape of every tensor of the text path."""
        hidden, inner = self.hidden_size, self.intermediate_size
        shapes: dict[str, Shape] = {
            "model.decoder.embed_tokens.weight": (self.vocab_size, hidden),
            "model.decoder.norm.weight": (hidden,),
            "model.decoder.self_conditioning.pre_norm.weight": (hidden,),
            "model.decoder.self_conditioning.gate_proj.weight": (inner, hidden),
            "model.decoder.self_conditioning.up_proj.weight": (inner, hidden),
            "model.decoder.self_conditioning.down_proj.weight": (hidden, inner),
        }
        for layer in range(self.num_hidden_layers):
            shapes[f"model.encoder.language_model.layers.{layer}.layer_scalar"] = (1,)
            for name, shape in self.layer_shapes(layer).items():
                shapes[f"model.decoder.layers.{layer}.{name}"] = shape
        return shapes

    def layer_shapes(self, layer: int) -> dict[str, Shape]:
        """The same for one layer, with the names inside it."""
        return self._attention_shapes(self.attention(layer)) | self._feedforward_shapes()

    def _attention_shapes(self, attention: AttentionConfig) -> dict[str, Shape]:
        hidden, width = self.hidden_size, attention.head_dim
        queries, pairs = self.num_attention_heads * width, attention.num_key_value_heads * width
        shapes: dict[str, Shape] = {
            "input_layernorm.weight": (hidden,),
            "self_attn.q_proj.weight": (queries, hidden),
            "self_attn.k_proj.weight": (pairs, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
            "self_attn.q_norm.weight": (width,),
            "self_attn.k_norm.weight": (width,),
            "post_attention_layernorm.weight": (hidden,),
        }
        if attention.window is not None:
            shapes["self_attn.v_proj.weight"] = (pairs, hidden)
        return shapes

    def _feedforward_shapes(self) -> dict[str, Shape]:
        hidden, inner = self.hidden_size, self.intermediate_size
        experts, expert_inner = self.num_experts, self.moe_intermediate_size
        return {
            "pre_feedforward_layernorm.weight": (hidden,),
            "mlp.gate_proj.weight": (inner, hidden),
            "mlp.up_proj.weight": (inner, hidden),
            "mlp.down_proj.weight": (hidden, inner),
            "post_feedforward_layernorm_1.weight": (hidden,),
            "pre_feedforward_layernorm_2.weight": (hidden,),
            "router.scale": (hidden,),
            "router.proj.weight": (experts, hidden),
            "router.per_expert_scale": (experts,),
            "experts.gate_up_proj": (experts, 2 * expert_inner, hidden),
            "experts.down_proj": (experts, hidden, expert_inner),
            "post_feedforward_layernorm_2.weight": (hidden,),
            "post_feedforward_layernorm.weight": (hidden,),
            "layer_scalar": (1,),
        }


def _sliding(text: Mapping[str, Any]) -> AttentionConfig:
    rope = (text.get("rope_parameters") or {}).get("sliding_attention") or {
        "rope_type": "default",
        "rope_theta": 10_000.0,
    }
    if rope["rope_type"] != "default":
        raise ValueError(f"config.json: rope_type {rope['rope_type']!r} is not supported in sliding layers")
    width = text["head_dim"]
    return AttentionConfig(width, text["num_key_value_heads"], rope["rope_theta"], width, text["sliding_window"])


def _full(text: Mapping[str, Any], layer: int) -> AttentionConfig:
    # Two spellings: global_* in the published file, per_layer_config in what transformers 5.23 saves; the latter names
    # only what differs from the sliding layers.
    named = text.get("per_layer_config") or {}
    own = named.get(str(layer)) or named.get(f"{layer:02}") or {}  # "05" where there are ten layers or more
    otherwise = text["head_dim"] if text.get("per_layer_config") is not None else 512
    width = own.get("head_dim") or text.get("global_head_dim") or otherwise
    heads = own.get("num_key_value_heads") or text.get("num_global_key_value_heads") or text["num_key_value_heads"]
    rope = (text.get("rope_parameters") or {}).get("full_attention") or {
        "rope_type": "proportional",
        "partial_rotary_factor": 0.25,
        "rope_theta": 1_000_000.0,
    }
    if rope["rope_type"] != "proportional":
        raise ValueError(f"config.json: rope_type {rope['rope_type']!r} is not supported in full layers")
    rotated = 2 * int(rope.get("partial_rotary_factor", 1.0) * width // 2)
    return AttentionConfig(width, heads, rope["rope_theta"], rotated, None)
