"""A random DiffusionGemma of a few thousand parameters by the reference implementation, and ours from its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_gemma_tokenizer
import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DiffusionGemmaTextConfig

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.model import DiffusionGemma

VOCABULARY = 96
CANVAS = 16
ADDED = ("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")
RUNTIME = Runtime("cpu", "float32", 0, "tests")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors of a few hundred numbers: threads waiting for each other on a busy machine made a test of 1 s take 60."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def reference(
    seed: int, window: int, strength: float = 1.0, embedding: float = 0.5, **changes: object
) -> DiffusionGemmaForBlockDiffusion:
    """Weights are drawn so wide that logits, routes and entropies differ from position to position.

    `embedding` sets how sure the model is, `strength` what the layers add to the residual stream: with little,
    positions repeat their own tokens and canvases come to rest.
    """
    text: dict[str, object] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "global_head_dim": 16,
        "num_global_key_value_heads": 1,
        "sliding_window": window,
        "num_experts": 8,
        "top_k_experts": 2,
        "moe_intermediate_size": 16,
        "max_position_embeddings": 2048,
    }
    vision = {"model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "position_embedding_size": 16}
    config = DiffusionGemmaConfig(
        text_config=DiffusionGemmaTextConfig(**(text | changes)), vision_config=vision | heads, canvas_length=CANVAS
    )
    torch.manual_seed(seed)
    model = DiffusionGemmaForBlockDiffusion(config).eval()
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if "vision" in name or "inv_freq" in name or "embed_scale" in name:
                continue
            if "embed_tokens" in name:
                tensor.normal_(0, embedding)
            elif tensor.dim() > 1:
                tensor.normal_(0, 0.4 * strength if "self_conditioning" in name else 0.4)
            else:
                tensor.uniform_(0.6, 1.4).mul_(strength if name.endswith(ADDED) else 1.0)
    return model


def write(directory: Path, **changes: object) -> Path:
    """A whole model directory, with a tokenizer; `changes` of its config."""
    directory.mkdir(parents=True, exist_ok=True)
    size = tiny_gemma_tokenizer.size(tiny_gemma_tokenizer.write(directory))
    reference(0, 64, 0.3, vocab_size=size, **changes).save_pretrained(directory)
    settings = {"eos_token_id": [1, 5], "max_denoising_steps": 4}
    (directory / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return directory


def published_config() -> dict[str, Any]:
    """The text part of the published model's config.json."""
    return json.loads((Path(__file__).parent / "data" / "diffusion_gemma_config.json").read_text(encoding="utf-8"))


def ours(model: DiffusionGemmaForBlockDiffusion, directory: Path) -> DiffusionGemma:
    model.save_pretrained(directory)
    return checkpoint.load(directory, RUNTIME)


def prompt(seed: int, batch: int, tokens: int) -> torch.Tensor:
    """Random ids that are none of the reference's special ones."""
    return torch.randint(4, VOCABULARY, (batch, tokens), generator=torch.Generator().manual_seed(seed))
