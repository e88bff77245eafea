"""What the frozen base reads of a window, without gradients: once for all its gaps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lacuna.engine.families.gap.kv_context import causal
from lacuna.engine.models.decoder import Decoder


@dataclass(frozen=True)
class Reads:
    keys: Tensor  # [layers, kv_heads, 1 + tokens, head_dim], rotated to their positions; and the values
    values: Tensor


@torch.no_grad()
def read(ids: Tensor, base: Decoder) -> Reads:
    """`ids` are the sink's and the window's, [1 + tokens]."""
    cache = base.cache(len(ids))
    positions = torch.arange(len(ids), device=base.device)
    base.forward(base.embed_rows(ids), positions, cache, 0, 0, causal(len(ids), base.device))
    return Reads(cache.keys, cache.values)
