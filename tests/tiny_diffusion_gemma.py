"""A random DiffusionGemma of a few thousand parameters, by the reference implementation, and ours from its checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig

from engine.models.diffusion_gemma import checkpoint
from engine.models.diffusion_gemma.model import DiffusionGemma
from engine.runtime import Runtime

VOCABULARY = 96
CANVAS = 16
RUNTIME = Runtime("cpu", "float32", 0, "tests")


def reference(seed: int, window: int, **changes: object) -> DiffusionGemmaForBlockDiffusion:
    """Weights are drawn wide enough that logits, routes and entropies differ from position to position."""
    text = dict(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        global_head_dim=16,
        num_global_key_value_heads=1,
        sliding_window=window,
        num_experts=8,
        top_k_experts=2,
        moe_intermediate_size=16,
        max_position_embeddings=2048,
    )
    vision = dict(model_type="gemma4_vision", hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    heads = dict(num_attention_heads=2, num_key_value_heads=2, head_dim=8)
    config = DiffusionGemmaConfig(
        text_config=DiffusionGemmaTextConfig(**(text | changes)), vision_config=vision | heads, canvas_length=CANVAS
    )
    torch.manual_seed(seed)
    model = DiffusionGemmaForBlockDiffusion(config).eval()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "vision" in name or "inv_freq" in name or "embed_scale" in name:
                continue
            if tensor.dim() > 1:
                tensor.normal_(0, 0.4 if "embed_tokens" not in name else 0.5)
            else:
                tensor.uniform_(0.6, 1.4)
    return model


def ours(model: DiffusionGemmaForBlockDiffusion, directory: Path) -> DiffusionGemma:
    model.save_pretrained(directory)
    return checkpoint.load(directory, RUNTIME)


def prompt(seed: int, batch: int, tokens: int) -> torch.Tensor:
    """Random ids that are none of the reference's special ones."""
    return torch.randint(4, VOCABULARY, (batch, tokens), generator=torch.Generator().manual_seed(seed))
