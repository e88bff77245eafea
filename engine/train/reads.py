"""What the frozen base reads of a window, without gradients: the window once for all its gaps, and each suffix once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.context import causal
from engine.models.llama import Llama
from engine.train.gaps import Window

TOGETHER = 4  # suffixes in one pass: more would attend over each other for nothing


@dataclass(frozen=True)
class Reads:
    ids: Tensor  # [1 + tokens]: the sink and the window
    keys: Tensor  # [layers, kv_heads, 1 + tokens, head_dim], rotated to their positions; and the values
    values: Tensor
    suffix_keys: Tensor  # [layers, kv_heads, suffixes, longest one, head_dim], rotated to 1 ..; and the values
    suffix_values: Tensor
    suffix_ids: Tensor  # [suffixes, longest one]
    suffix_sizes: Tensor  # [suffixes]


@torch.no_grad()
def read(window: Window, base: Llama, sink: int) -> Reads:
    ids = [sink, *window.ids]
    cache = base.cache(len(ids))
    base.forward(base.embed(ids), torch.arange(len(ids)), cache, 0, 0, causal(len(ids), base.device))
    longest = max(1, *map(len, window.suffixes))
    padded = [[*suffix, *[0] * (longest - len(suffix))] for suffix in window.suffixes]  # seen by nobody
    chunks = [_suffixes(padded[at : at + TOGETHER], base, sink) for at in range(0, len(padded), TOGETHER)]
    keys, values = (torch.cat(sides, dim=2) for sides in zip(*chunks, strict=True))
    return Reads(
        ids=torch.tensor(ids),
        keys=cache.keys,
        values=cache.values,
        suffix_keys=keys,
        suffix_values=values,
        suffix_ids=torch.tensor(padded),
        suffix_sizes=torch.tensor([len(suffix) for suffix in window.suffixes]),
    )


def _suffixes(padded: Sequence[Sequence[int]], base: Llama, sink: int) -> tuple[Tensor, Tensor]:
    """Several in one pass, each behind a sink of its own, which is dropped afterwards."""
    count, width = len(padded), 1 + len(padded[0])
    cache = base.cache(count * width)
    ids = [token for suffix in padded for token in (sink, *suffix)]
    mask = torch.block_diag(*[causal(width, base.device)] * count).bool()
    base.forward(base.embed(ids), torch.arange(width).repeat(count), cache, 0, 0, mask)
    keys, values = (side.unflatten(2, (count, width))[:, :, :, 1:] for side in (cache.keys, cache.values))
    return keys, values
