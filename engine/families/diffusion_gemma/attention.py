"""Attention of one layer: what was read before lies in the cache, what this pass computes is written behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.config import AttentionConfig
from lacuna.engine.layers.packed_linear import Weight, floats, linear


@dataclass(frozen=True)
class Heads:
    """What a layer's heads are, and the norms in front of them."""

    config: AttentionConfig
    count: int  # of queries
    norm: Tensor  # of queries and keys, [count + kv_heads, head_dim]; values have none
    eps: float


class Span(Protocol):
    """The tokens of one pass, as one layer sees them."""

    def mixed(self, qkv: Tensor, heads: Heads, wanted: slice | Tensor) -> Tensor | None:
        """[batch, wanted, heads * head_dim] for `qkv`, [batch, tokens, all heads, head_dim], whose keys and values go
        into the cache. None where nobody looks around.

        `wanted` are the tokens that do; the others only leave their keys and values. One cache row may serve a whole
        batch: then the rows' keys stand in the tail one after the other.
        """


class Attention:
    """Grouped-query attention with normalised queries, keys and values; full layers take their values from k_proj."""

    def __init__(
        self, weights: Mapping[str, Weight], config: AttentionConfig, num_attention_heads: int, eps: float
    ) -> None:
        projections = [
            weights[f"self_attn.{name}_proj.weight"] for name in "qkv" if f"self_attn.{name}_proj.weight" in weights
        ]
        q_norm, k_norm = (floats(weights[f"self_attn.{name}_norm.weight"]) for name in "qk")
        self._qkv_proj = linear(*projections, dtype=q_norm.dtype)
        self._o_proj = linear(weights["self_attn.o_proj.weight"], dtype=q_norm.dtype)
        norm = torch.cat([q_norm.expand(num_attention_heads, -1), k_norm.expand(config.num_key_value_heads, -1)])
        self._heads = Heads(config, num_attention_heads, norm, eps)

    def __call__(self, x: Tensor, span: Span, wanted: slice | Tensor) -> Tensor:
        """[batch, wanted, hidden] for normed hidden states [batch, tokens, hidden]."""
        qkv = self._qkv_proj(x.flatten(0, 1)).view(*x.shape[:2], -1, self._heads.config.head_dim)
        mixed = span.mixed(qkv, self._heads, wanted)
        if mixed is None:
            return x[:, wanted]
        return self._o_proj(mixed.flatten(0, 1)).unflatten(0, mixed.shape[:2])


def by_cache_row(batch: int, is_shared: bool) -> list[slice]:
    """The rows of a batch that are computed at once: where they share a cache row, one after the other."""
    return [slice(row, row + 1) for row in range(batch)] if is_shared else [slice(None)]
