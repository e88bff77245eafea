"""What a DiffusionGemma checkpoint says about itself: config.json translated, and the tensors it must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

LAYER_TYPES = frozenset({"sliding_attention", "full_attention"})
MAX_LAYERS = 512

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
        """From the content of a config.json. Raises LoadError for numbers that no model has, and for a
        variant that this model does not compute."""
        fields = Fields("config.json", config)
        text = fields.part("text_config", {})
        kinds = text.texts("layer_types", LAYER_TYPES, MAX_LAYERS) if "layer_types" in text else ()
        unsupported = {
            "model_type": config.get("model_type") != "diffusion_gemma",
            "tie_word_embeddings": not fields.flag("tie_word_embeddings", True),
            "attention_bias": text.flag("attention_bias"),
            "hidden_activation": text.values.get("hidden_activation", "gelu_pytorch_tanh") != "gelu_pytorch_tanh",
            "use_bidirectional_attention": text.values.get("use_bidirectional_attention") not in (None, "vision"),
            "layer_types": not kinds or kinds[-1] != "full_attention",
            "num_experts": not text.values.get("num_experts"),
        }
        if any(unsupported.values()):
            raise LoadError(f"config.json: not supported here: {[key for key, bad in unsupported.items() if bad]}")
        heads, experts = text.integer("num_attention_heads", 1, 1024), text.integer("num_experts", 1, 4096)
        sliding, full = _sliding(text, heads), _full(text, heads, kinds.index("full_attention"))
        return DiffusionGemmaConfig(
            vocab_size=text.integer("vocab_size", 1, 1 << 20),
            hidden_size=text.integer("hidden_size", 1, 1 << 16),
            intermediate_size=text.integer("intermediate_size", 1, 1 << 18),
            num_attention_heads=heads,
            num_experts=experts,
            top_k_experts=text.integer("top_k_experts", 1, experts),
            moe_intermediate_size=text.integer("moe_intermediate_size", 1, 1 << 18),
            rms_norm_eps=text.number("rms_norm_eps", 0.0, 1.0),
            final_logit_softcapping=text.number("final_logit_softcapping", 1e-3, 1e6, 30.0),
            max_position_embeddings=text.integer("max_position_embeddings", 512, 1 << 30),
            canvas_length=fields.integer("canvas_length", 2, 4096, 256),
            sliding=sliding,
            full=full,
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


def _sliding(text: Fields, heads: int) -> AttentionConfig:
    rope = text.part("rope_parameters", {}).part("sliding_attention", {"rope_type": "default", "rope_theta": 1e4})
    if rope.values.get("rope_type") != "default":
        text.refuse("only the rope_type 'default' is supported in sliding layers")
    width = _head_dim(text, "head_dim")
    window = text.integer("sliding_window", 1, 1 << 20)
    return AttentionConfig(width, _pairs(text, "num_key_value_heads", heads), _theta(rope), width, window)


def _full(text: Fields, heads: int, layer: int) -> AttentionConfig:
    # Two spellings: global_* in the published file, per_layer_config in what transformers 5.23 saves; the latter names
    # only what differs from the sliding layers.
    named = text.part("per_layer_config", {})
    own = named.part(str(layer), named.part(f"{layer:02}", {}).values)  # "05" where there are ten layers or more
    width = _head_dim(text, "head_dim") if "per_layer_config" in text else 512
    width = _head_dim(own, "head_dim", _head_dim(text, "global_head_dim", width))
    pairs = _pairs(text, "num_global_key_value_heads", heads, _pairs(text, "num_key_value_heads", heads))
    rope = text.part("rope_parameters", {}).part(
        "full_attention", {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6}
    )
    if rope.values.get("rope_type") != "proportional":
        text.refuse("only the rope_type 'proportional' is supported in full layers")
    rotated = 2 * int(rope.number("partial_rotary_factor", 0.0, 1.0, 1.0) * width // 2)
    return AttentionConfig(width, _pairs(own, "num_key_value_heads", heads, pairs), _theta(rope), rotated, None)


def _head_dim(fields: Fields, name: str, *default: int) -> int:
    width = fields.integer(name, 2, 1024, *default)
    if width % 2:
        fields.refuse(f"{name} is {width}, and must be even")
    return width


def _pairs(fields: Fields, name: str, heads: int, *default: int) -> int:
    pairs = fields.integer(name, 1, heads, *default)
    if heads % pairs:
        fields.refuse(f"{heads} heads cannot share the keys of {name}, {pairs}")
    return pairs


def _theta(rope: Fields) -> float:
    return rope.number("rope_theta", 1.0, 1e12)
