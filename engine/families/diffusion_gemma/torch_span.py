"""A span by torch's operations: views of the cache that are cut on the host, and a mask where something is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.attend import attend
from lacuna.engine.families.diffusion_gemma.attention import Heads, by_cache_row
from lacuna.engine.families.diffusion_gemma.cache import Cache, LayerCache
from lacuna.engine.families.diffusion_gemma.rope import Rope


@dataclass(frozen=True)
class TorchSpan:
    """Of a pass behind the text that the cache holds."""

    cache: LayerCache
    start: int  # position of the first token
    rope: Rope
    cos_sin: tuple[Tensor, Tensor]  # rotations of the tokens' positions
    mask: Tensor | None  # bool, [tokens, visible slots]; None where every token sees every slot

    def mixed(self, qkv: Tensor, heads: Heads, wanted: slice | Tensor) -> Tensor | None:
        tokens, is_shared = qkv.shape[1], self.cache.keys.shape[0] == 1
        mixed = []
        for row in by_cache_row(len(qkv), is_shared):
            stored = slice(None) if is_shared else row
            queries = self._turned(qkv[row], heads, stored)[:, wanted]
            if not queries.shape[1]:
                return None
            keys, values = self.cache.read(stored, self.cache.first(self.start), self.start + tokens)
            mixed.append(attend(queries, keys, values, None if self.mask is None else self.mask[wanted]))
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)

    def _turned(self, qkv: Tensor, heads: Heads, stored: slice) -> Tensor:
        """Queries [rows, tokens, heads, head_dim]; keys and values go to the cache's rows `stored`."""
        pairs = heads.config.num_key_value_heads
        # One norm for all: what is last, v or in full layers k itself, is without a weight what the values are.
        normed = functional.rms_norm(qkv, (heads.config.head_dim,), None, heads.eps)
        turned = self.rope.rotate(normed[:, :, : heads.count + pairs] * heads.norm, self.cos_sin)
        self.cache.write(stored, self.start, turned[:, :, heads.count :], normed[:, :, -pairs:])
        return turned[:, :, : heads.count]


def spans(cache: Cache, tokens: int, ropes: Sequence[Rope], dtype: torch.dtype, is_causal: bool) -> list[TorchSpan]:
    """For each layer of a pass behind the cache's text; layers of one kind have one rope. The decoder hides nothing:
    its window is cut for the canvas as a whole."""
    made: dict[Rope, tuple[tuple[Tensor, Tensor], Tensor | None]] = {}
    for layer, rope in zip(cache.layers, ropes, strict=True):
        if rope not in made:
            positions = torch.arange(cache.length, cache.length + tokens, device=layer.keys.device)
            is_masked = is_causal and tokens > 1
            mask = _causal_mask(layer, cache.length, positions) if is_masked else None
            made[rope] = (rope.at(positions, dtype), mask)
    pairs = zip(cache.layers, ropes, strict=True)
    return [TorchSpan(layer, cache.length, rope, *made[rope]) for layer, rope in pairs]


def _causal_mask(layer: LayerCache, start: int, positions: Tensor) -> Tensor:
    """[tokens, visible]: a token sees itself and what is before it, in a sliding layer as many as its window has."""
    key = torch.arange(layer.first(start), start + len(positions), device=positions.device)
    mask = key <= positions[:, None]
    return mask if layer.window is None else mask & (key > positions[:, None] - layer.window)
