"""A second implementation of `CausalDecoder`, in the plainest way: Llama and Qwen 2 head by head, from a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from lacuna.engine.layers.kv_cache import KvCache
from lacuna.engine.layers.rope import Rope


class PlainDecoder:
    """In float32. `adapter`: a directory whose LoRA factors are added to the matrices."""

    device, dtype, launches = "cpu", torch.float32, ""

    def __init__(self, directory: Path, adapter: Path | None = None) -> None:
        self._config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        self._weights = load_file(directory / "model.safetensors")
        self._heads, self._pairs = self._config["num_attention_heads"], self._config["num_key_value_heads"]
        self._width = self._config["hidden_size"] // self._heads
        self.rope = Rope(self._width, self._config["rope_theta"], 2048, self.dtype, self.device)
        if adapter is not None:
            self._adapt(adapter)

    def cache(self, capacity: int) -> KvCache:
        layers = self._config["num_hidden_layers"]
        return KvCache(layers, self._pairs, capacity, self._width, self.dtype, self.device)

    def embed(self, ids: Sequence[int]) -> Tensor:
        return self._weights["model.embed_tokens.weight"][torch.tensor(list(ids), dtype=torch.long)]

    def forward(self, x: Tensor, positions: Tensor, cache: KvCache, first: int, start: int, mask: Tensor) -> Tensor:
        for layer in range(self._config["num_hidden_layers"]):
            normed = self._norm(x, f"model.layers.{layer}.input_layernorm")
            q, k, v = (self._product(normed, f"model.layers.{layer}.self_attn.{name}_proj") for name in "qkv")
            for token, position in enumerate(positions.tolist()):
                cache.keys[layer, :, start + token] = self._turned(k[token].view(self._pairs, -1), position)
                cache.values[layer, :, start + token] = v[token].view(self._pairs, -1)
            rows = [
                self._seen(self._turned(q[token].view(self._heads, -1), position), cache, layer, first, mask[token])
                for token, position in enumerate(positions.tolist())
            ]
            x = x + self._product(torch.stack(rows), f"model.layers.{layer}.self_attn.o_proj")
            normed = self._norm(x, f"model.layers.{layer}.post_attention_layernorm")
            gate, up = (self._product(normed, f"model.layers.{layer}.mlp.{name}_proj") for name in ("gate", "up"))
            x = x + self._product(gate * gate.sigmoid() * up, f"model.layers.{layer}.mlp.down_proj")
        return self._norm(x, "model.norm")

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        head = "model.embed_tokens" if self._config["tie_word_embeddings"] else "lm_head"
        return (hidden @ self._weights[f"{head}.weight"].T).log_softmax(-1)

    def log_probabilities_apart(self, hidden: Tensor, runs: Sequence[int]) -> list[Tensor]:
        return list(self.log_probabilities(hidden).split(list(runs)))

    def warm_ups(self) -> list[Callable[[], None]]:
        return []

    def _adapt(self, directory: Path) -> None:
        config = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
        factors = load_file(directory / "adapter_model.safetensors")
        for name in factors:
            if name.endswith("lora_A.weight"):
                place = name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")
                up, down = factors[name.replace("lora_A", "lora_B")], factors[name]
                self._weights[place] = self._weights[place] + config["lora_alpha"] / config["r"] * up @ down

    def _product(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        scale = (x.pow(2).mean(-1, keepdim=True) + self._config["rms_norm_eps"]).rsqrt()
        return x * scale * self._weights[f"{name}.weight"]

    def _turned(self, heads: Tensor, position: int) -> Tensor:
        """[heads, width], of which dimensions j and j + half are a complex number each."""
        half = self._width // 2
        angle = position * self._config["rope_theta"] ** -(torch.arange(half, dtype=torch.float64) / half)
        turned = torch.complex(heads[:, :half], heads[:, half:]) * torch.polar(torch.ones(half).double(), angle)
        return torch.cat([turned.real, turned.imag], -1).float()

    def _seen(self, queries: Tensor, cache: KvCache, layer: int, first: int, mask: Tensor) -> Tensor:
        """[heads * width]: one token's attention, head by head, over the slots that it sees."""
        slots = first + mask.nonzero()[:, 0]
        mixed = []
        for head, query in enumerate(queries):
            pair = head // (self._heads // self._pairs)
            scores = cache.keys[layer, pair, slots] @ query / self._width**0.5
            mixed.append(scores.softmax(0) @ cache.values[layer, pair, slots])
        return torch.cat(mixed)
