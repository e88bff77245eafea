"""Attention of one layer: what was read before lies in the cache, what this pass computes is written behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.attend import attend, needs_no_mask
from lacuna.engine.families.diffusion_gemma.cache import LayerCache
from lacuna.engine.families.diffusion_gemma.config import AttentionConfig
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.kernels import availability
from lacuna.engine.layers.packed_linear import Weight, floats, linear


@dataclass(frozen=True)
class Span:
    """The tokens of one pass, as the layers of one kind see them."""

    start: int  # position of the first
    cos_sin: tuple[Tensor, Tensor]  # rotations of their positions
    # Bool, [tokens, visible slots]; None where every token sees every slot, and where the layers need no mask.
    mask: Tensor | None
    is_causal: bool  # a token sees itself and what is before it


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
        pairs = config.num_key_value_heads
        # [query and key heads, head_dim]
        self._qk_norm = torch.cat([q_norm.expand(num_attention_heads, -1), k_norm.expand(pairs, -1)])
        self._config = config
        self._heads = num_attention_heads
        self._eps = eps
        self._turned_at_once = None
        if availability.are_available(q_norm.device.type):
            from lacuna.engine.kernels.rope_to_cache import rope_to_cache

            self._turned_at_once = rope_to_cache
        self._attended_at_once = None
        if needs_no_mask(config.head_dim, q_norm.device.type, q_norm.dtype):
            from lacuna.engine.kernels.canvas_attention import canvas_attention

            self._attended_at_once = canvas_attention

    def __call__(self, x: Tensor, rope: Rope, span: Span, cache: LayerCache, wanted: slice | Tensor) -> Tensor:
        """[batch, wanted, hidden] for normed hidden states [batch, tokens, hidden].

        `wanted` are the tokens that look around; the others only leave their keys and values. One cache
        row may serve a whole batch: then the rows' keys stand in the tail one after the other.
        """
        qkv = self._qkv_proj(x.flatten(0, 1)).view(*x.shape[:2], -1, self._config.head_dim)
        batch, shared = x.shape[0], cache.keys.shape[0] == 1
        rows = [slice(row, row + 1) for row in range(batch)] if shared else [slice(None)]
        mixed = []
        for row in rows:
            stored = slice(None) if shared else row
            queries = self._turned(qkv[row], rope, span, cache, stored)[:, wanted]
            if queries.shape[1] == 0:
                return x[:, wanted]
            mixed.append(self._attended(queries, span, cache, stored, x.shape[1], wanted))
        joined = mixed[0] if len(mixed) == 1 else torch.cat(mixed)
        return self._o_proj(joined.flatten(0, 1)).unflatten(0, joined.shape[:2])

    def _attended(
        self, queries: Tensor, span: Span, cache: LayerCache, stored: slice, tokens: int, wanted: slice | Tensor
    ) -> Tensor:
        """[rows, wanted, heads * head_dim] for the queries of the `wanted` of so many tokens."""
        first = cache.first(span.start)
        keys, values = cache.read(stored, first, span.start + tokens)
        if self._attended_at_once is None:
            return attend(queries, keys, values, None if span.mask is None else span.mask[wanted])
        assert not span.is_causal or queries.shape[1] == tokens, "what is read in order is read whole"
        behind = span.start - first if span.is_causal else None
        return self._attended_at_once(queries, keys, values, behind, self._config.window)

    def _turned(self, qkv: Tensor, rope: Rope, span: Span, cache: LayerCache, stored: slice) -> Tensor:
        """Queries [rows, tokens, heads, head_dim] of qkv, in which all heads stand; keys and values go to the cache's
        rows `stored`."""
        width, pairs = self._config.head_dim, self._config.num_key_value_heads
        if self._turned_at_once is not None:
            room = cache.read(stored, span.start, span.start + qkv.shape[1])
            return self._turned_at_once(qkv, span.cos_sin, *room, self._heads, norm=self._qk_norm, eps=self._eps)
        # One norm for all: what is last, v or in full layers k itself, is without a weight what the values are.
        normed = functional.rms_norm(qkv, (width,), None, self._eps)
        turned = rope.rotate(normed[:, :, : self._heads + pairs] * self._qk_norm, span.cos_sin)
        cache.write(stored, span.start, turned[:, :, self._heads :], normed[:, :, -pairs:])
        return turned[:, :, : self._heads]
