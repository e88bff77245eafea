"""The checkpoints of DiffusionGemma that are published: what is packed in each, and what it takes. Nothing is read.

Layouts are those of the files' headers, names those of the Hugging Face hub where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lacuna.engine.families.diffusion_gemma.config import AttentionConfig, DiffusionGemmaConfig
from lacuna.engine.layers.dialects.layouts import (
    FLOAT_FORMAT,
    FP8_FORMAT,
    GGUF_FORMATS,
    INT4_FORMAT,
    MODELOPT_FORMAT,
    Layout,
)
from lacuna.engine.layers.dialects.names import parts
from lacuna.engine.layers.dialects.translate import Plan, Planned
from lacuna.engine.layers.quantized.gguf_types import GGUF_TYPES

ATTENTION, DENSE, EXPERTS = "self_attn", "mlp", "experts"
FLOATS = Layout(FLOAT_FORMAT)
BLOCK_OF_32 = Layout(GGUF_FORMATS["Q8_0"])  # what GGUF's writers take where rows are no whole blocks

CONFIG = DiffusionGemmaConfig(
    vocab_size=262_144,
    hidden_size=2816,
    intermediate_size=2112,
    num_attention_heads=16,
    num_experts=128,
    top_k_experts=8,
    moe_intermediate_size=704,
    rms_norm_eps=1e-6,
    final_logit_softcapping=30.0,
    max_position_embeddings=262_144,
    canvas_length=256,
    sliding=AttentionConfig(head_dim=256, num_key_value_heads=8, rope_theta=1e4, rotated=256, window=1024),
    full=AttentionConfig(head_dim=512, num_key_value_heads=2, rope_theta=1e6, rotated=128, window=None),
    is_sliding=tuple(layer % 6 != 5 for layer in range(30)),
)


@dataclass(frozen=True)
class Checkpoint:
    """What a directory on the hub holds of the text path."""

    name: str
    layout: Layout  # of what is packed; the rest is in 16 bits
    packed: tuple[str, ...]  # parts of a layer whose projections are

    def plan(self, config: DiffusionGemmaConfig) -> Plan:
        """Every weight of a model of this config, as it is packed here."""
        weights = {
            name: Planned(shape, parts(name), self._layout(name, shape[-1]), tensors=1)
            for name, shape in config.shapes().items()
        }
        return Plan(weights, {}, 0)

    def _layout(self, name: str, columns: int) -> Layout:
        where = re.fullmatch(r".*\.(\w+)\.\w+_proj(\.weight)?", name)
        if where is None or where[1] not in self.packed:
            return FLOATS
        codec = GGUF_TYPES.get(self.layout.format.removesuffix(" of GGUF"))
        return BLOCK_OF_32 if codec is not None and columns % codec.WEIGHTS else self.layout


_ALL = (ATTENTION, DENSE, EXPERTS)
_GGUF = (*_ALL, "self_conditioning")
CHECKPOINTS: Mapping[str, Checkpoint] = {
    "bf16": Checkpoint("google/diffusiongemma-26B-A4B-it", FLOATS, ()),
    "fp8": Checkpoint("RedHatAI's FP8-dynamic", Layout(FP8_FORMAT, scale="BF16"), _ALL),
    "nvfp4": Checkpoint("nvidia/diffusiongemma-26B-A4B-it-NVFP4", Layout(MODELOPT_FORMAT, 16), (EXPERTS,)),
    "int4": Checkpoint(
        "cyankiwi/diffusiongemma-26B-A4B-it-AWQ-INT4", Layout(INT4_FORMAT, 32, scale="F16"), (ATTENTION, EXPERTS)
    ),
    "Q4_0": Checkpoint("GGUF in Q4_0", Layout(GGUF_FORMATS["Q4_0"]), _GGUF),
    "Q4_K": Checkpoint("GGUF in Q4_K", Layout(GGUF_FORMATS["Q4_K"]), _GGUF),
    "Q8_0": Checkpoint("GGUF in Q8_0", Layout(GGUF_FORMATS["Q8_0"]), _GGUF),
}
