"""What queries find among keys: softmax(q k^T) v, where several query heads share the keys of one pair."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.layers.linear import product

MANY = 32  # tokens: with so many a product is worth its call


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """[batch, tokens, heads * head_dim] for queries [batch, tokens, heads, head_dim].

    Keys and values have shape [batch, kv_heads, slots, head_dim]. The mask is bool, [tokens, slots]; without one
    nothing is hidden.
    """
    if queries.device.type == "cpu" and queries.shape[1] >= MANY:
        return _by_products(queries, keys, values, mask)
    return _masked(queries, keys, values, mask) if mask is not None else _folded(queries, keys, values)


def _masked(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    by_head = queries.transpose(1, 2)
    mixed = functional.scaled_dot_product_attention(by_head, keys, values, attn_mask=mask, scale=1.0, enable_gqa=True)
    return mixed.transpose(1, 2).flatten(2)


def _folded(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Without a mask the query heads of one key head are rows of one query, and its keys are read once."""
    batch, tokens, _, width = queries.shape
    pairs = keys.shape[1]
    folded = queries.reshape(batch, tokens, pairs, -1, width).permute(0, 2, 3, 1, 4).reshape(batch, pairs, -1, width)
    mixed = functional.scaled_dot_product_attention(folded, keys, values, scale=1.0)
    return mixed.view(batch, pairs, -1, tokens, width).permute(0, 3, 1, 2, 4).flatten(2)


def _by_products(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Head by head, with scores in float32: on CPU 256 queries and 511 slots take 1.2 ms, torch's own attention 1.7."""
    hidden = None if mask is None else ~mask
    mixed = torch.empty_like(queries)
    shared = queries.shape[2] // keys.shape[1]  # query heads of one key head
    for row in range(queries.shape[0]):
        for head in range(queries.shape[2]):
            scores = product(queries[row, :, head].float(), keys[row, head // shared].float().t())
            if hidden is not None:
                scores.masked_fill_(hidden, -torch.inf)
            mixed[row, :, head] = product(scores.softmax(-1).to(values.dtype), values[row, head // shared])
    return mixed.flatten(2)
