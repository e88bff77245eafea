"""A span by Triton's kernels: where the tokens stand is read from the device, so that a pass can be captured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.families.diffusion_gemma.attention import Heads, by_cache_row
from lacuna.engine.families.diffusion_gemma.cache import Cache
from lacuna.engine.families.diffusion_gemma.rope import Rope
from lacuna.engine.kernels import slots
from lacuna.engine.kernels.cache_attention import cache_attention
from lacuna.engine.kernels.rope_to_cache import rope_to_cache
from lacuna.engine.kernels.slots import POSITION, Slots


@dataclass(frozen=True)
class TritonSpan:
    """Of a pass behind whatever text the table of slots stands for when it is launched."""

    slots: Tensor  # a row of `place`
    is_shared: bool  # one cache row serves the whole batch
    cos_sin: tuple[Tensor, Tensor]  # rotations of the tokens' positions
    is_causal: bool  # a token sees itself and what is before it

    def mixed(self, qkv: Tensor, heads: Heads, wanted: slice | Tensor) -> Tensor | None:
        pairs, window, mixed = heads.config.num_key_value_heads, heads.config.window, []
        for row in by_cache_row(len(qkv), self.is_shared):
            turned = rope_to_cache(
                qkv[row], self.cos_sin, self.slots, heads.count, pairs, norm=heads.norm, eps=heads.eps
            )
            queries = turned[:, wanted]
            if not queries.shape[1]:
                return None
            assert not self.is_causal or queries.shape == turned.shape, "what is read in order is read whole"
            mixed.append(cache_attention(queries, self.slots, pairs, is_causal=self.is_causal, window=window))
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


def place(cache: Cache, tokens: int) -> Tensor:
    """Where so many tokens behind the cache's text stand, int64 [layers, 8], on the host; good until the cache
    grows."""
    rows = []
    for layer in cache.layers:
        start = cache.length - layer.origin
        first = layer.first(cache.length) - layer.origin
        rows.append(Slots(layer.keys, layer.values, first, start, start + tokens, cache.length))
    return slots.table(rows)


def spans(
    place: Tensor, is_shared: bool, tokens: int, ropes: Sequence[Rope], dtype: torch.dtype, is_causal: bool
) -> list[TritonSpan]:
    """For each layer of a pass of so many tokens, of which those that `place`, on the device, has no room for fill it
    up; layers of one kind have one rope."""
    positions = place[0, POSITION] + torch.arange(tokens, device=place.device)
    turns = {rope: rope.at(positions, dtype) for rope in dict.fromkeys(ropes)}
    return [TritonSpan(row, is_shared, turns[rope], is_causal) for row, rope in zip(place, ropes, strict=True)]
