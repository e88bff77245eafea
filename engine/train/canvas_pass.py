"""The canvas pass with gradients: what `models.gap.GapDenoiser.denoise` computes, for all gaps of a window at once.

Rows of all canvases, and of all suffixes, go through the matrices together. A canvas' attention has three parts under
one softmax: the window's keys, shared by all; the gap's suffix; the canvas itself. A suffix sees itself alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.gap.lora import MASK
from lacuna.engine.models.decoder import Decoder
from lacuna.engine.train.batch import Batch, Group
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.reads import Reads


class CanvasPass:
    def __init__(self, base: Decoder, norms: list[tuple[Tensor, Tensor]], lora: Lora, distance: int) -> None:
        """`norms` are the layers' input and post-attention norms; `distance` is the suffix' from the anchor."""
        self._base = base
        self._norms = norms
        self._lora = lora
        self._distance = distance
        self._heads = base.config.num_attention_heads
        self._pairs = base.config.num_key_value_heads
        self._group = self._heads // self._pairs

    def __call__(self, batch: Batch, reads: Reads) -> Tensor:
        """Final states [rows, hidden] of `[anchor, canvas]`, gap after gap, group after group; zeros for the rows that
        are not among the batch's, which the matrices never see."""
        canvases = torch.cat([self._embed(group, batch) for group in batch.groups])
        x = torch.cat([_needed(canvases, batch.rows), self._base.embed_rows(batch.suffixes.flatten())])
        rows = [len(group.anchors) * (1 + group.length) for group in batch.groups]
        sides = [_Side(group, batch, self._base, self._distance, self._group) for group in batch.groups]
        cos_sin = self._base.rope.at(torch.arange(batch.suffixes.shape[1], device=x.device))
        for number, (stacks, (before, after)) in enumerate(zip(self._lora.layers, self._norms, strict=True)):
            ahead, behind = stacks["qkv"](self._rms_norm(x, before)).split([len(batch.rows), batch.suffixes.numel()])
            suffixes = self._read_suffixes(behind.unflatten(0, batch.suffixes.shape), cos_sin)
            mixed = [
                self._attend(qkv, side, reads.keys[number], reads.values[number], suffixes)
                for qkv, side in zip(_spread(ahead, batch.rows, sum(rows)).split(rows), sides, strict=True)
            ]
            x = x + stacks["o"](torch.cat([_needed(torch.cat(mixed), batch.rows), suffixes.mixed]))
            gate, up = stacks["gate_up"](self._rms_norm(x, after)).chunk(2, dim=-1)
            x = x + stacks["down"](functional.silu(gate) * up)
        return _spread(self._base.final_norm(x[: len(batch.rows)]), batch.rows, sum(rows))

    def _embed(self, group: Group, batch: Batch) -> Tensor:
        """[canvases * (1 + length), hidden]."""
        ids = torch.cat([batch.ids[group.anchors][:, None], group.tokens], dim=1)
        x = self._base.embed_rows(ids.flatten()).unflatten(0, ids.shape)
        noise = self._lora.beside[MASK].to(x.dtype)
        known = functional.pad(group.known, (1, 0), value=True)[..., None]
        return torch.where(known, x, noise).flatten(0, 1)

    def _read_suffixes(self, qkv: Tensor, cos_sin: tuple[Tensor, Tensor]) -> _Suffixes:
        """Causally, from [suffixes, 1 + tokens, qkv]."""
        heads, pairs, group, (count, tokens) = self._heads, self._pairs, self._group, qkv.shape[:2]
        q, k, v = qkv.unflatten(-1, (heads + 2 * pairs, -1)).split([heads, pairs, pairs], dim=2)
        q = self._base.rope.rotate(q * q.shape[-1] ** -0.5, *cos_sin)
        # A pair's query heads become rows: [suffixes, pairs, group * tokens, head_dim].
        q = q.unflatten(2, (pairs, group)).permute(0, 2, 3, 1, 4).flatten(2, 3)
        k = self._base.rope.rotate(k, *cos_sin).transpose(1, 2)  # [suffixes, pairs, tokens, head_dim]
        v = v.transpose(1, 2)
        # Not torch's own attention, whose gradients take 9 ms a layer on 2 CPU threads; this takes 1.
        later = torch.full((tokens, tokens), -torch.inf, dtype=q.dtype, device=q.device).triu(1)
        mixed = (q @ k.mT + later.repeat(group, 1)).softmax(-1) @ v
        mixed = mixed.view(count, heads, tokens, -1)
        return _Suffixes(
            keys=k[:, :, 1:].transpose(0, 1),
            values=v[:, :, 1:].transpose(0, 1),
            mixed=mixed.transpose(1, 2).flatten(2).flatten(0, 1),
        )

    def _attend(self, qkv: Tensor, side: _Side, keys: Tensor, values: Tensor, suffixes: _Suffixes) -> Tensor:
        """[rows, qkv] -> [rows, heads * head_dim]; keys and values are the window's, [pairs, window, head_dim]."""
        heads, pairs = self._heads, self._pairs
        rope = self._base.rope
        q, k, v = qkv.view(side.count, side.width, heads + 2 * pairs, -1).split([heads, pairs, pairs], dim=2)
        q = q * q.shape[-1] ** -0.5
        near = side.fold(rope.rotate(q, *side.cos_sin))  # [pairs, canvases, width * group, head_dim]
        far = side.fold(rope.rotate(q, *side.turn_from_suffix))
        k = rope.rotate(k, *side.cos_sin).permute(2, 0, 1, 3)  # [pairs, canvases, width, head_dim]
        v = v.permute(2, 0, 1, 3)
        suffix_keys = suffixes.keys.index_select(1, side.suffixes)  # [pairs, canvases, suffix, head_dim]
        suffix_values = suffixes.values.index_select(1, side.suffixes)
        scores = torch.cat(
            [
                (near.flatten(1, 2) @ keys.mT).unflatten(1, near.shape[1:3]),
                far @ suffix_keys.mT,
                near @ k.mT,
            ],
            dim=-1,
        )  # [pairs, canvases, width * group, window + suffix + width]
        weights = (scores + side.mask).softmax(-1)
        window, suffix, own = weights.split([keys.shape[1], suffix_keys.shape[2], side.width], dim=-1)
        mixed = (window.flatten(1, 2) @ values).unflatten(1, near.shape[1:3]) + suffix @ suffix_values + own @ v
        return side.unfold(mixed)

    def _rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self._base.config.rms_norm_eps)


@dataclass(frozen=True)
class _Suffixes:
    """What one layer reads of the suffixes."""

    keys: Tensor  # [pairs, suffixes, tokens, head_dim], without the sink's; turned to positions 1 ..; and the values
    values: Tensor
    mixed: Tensor  # [suffixes * (1 + tokens), heads * head_dim]


def _needed(x: Tensor, rows: Tensor) -> Tensor:
    """[count, size] -> [needed, size]."""
    return x if len(rows) == len(x) else x.index_select(0, rows)


def _spread(x: Tensor, rows: Tensor, count: int) -> Tensor:
    """The way back: zeros where no row belongs."""
    return x if len(rows) == count else x.new_zeros(count, x.shape[1]).index_copy(0, rows, x)


class _Side:
    """What does not change from layer to layer for one group: who sees what, and where the rows stand."""

    def __init__(self, group: Group, batch: Batch, base: Decoder, distance: int, heads_per_pair: int) -> None:
        self.count, self.width = group.tokens.shape[0], 1 + group.length
        self.suffixes = group.suffixes
        self._group = heads_per_pair
        rope = base.rope
        places = torch.arange(self.width, device=group.tokens.device)
        cos, sin = rope.at(group.anchors[:, None] + places)  # [canvases, 1, width, head_dim]: see `at`
        self.cos_sin = (cos.transpose(1, 2), sin.transpose(1, 2))  # [canvases, width, 1, head_dim]
        # A suffix' keys stay where they were read, at 1 ..; the queries turn back by what it should be rotated on.
        # The last row of a canvas predicts nothing; of the longest one it would stand too far.
        cos, sin = rope.at((distance - 1 - places).clamp(min=0))  # [width, 1, head_dim]
        self.turn_from_suffix = (cos, -sin)
        self.mask = self._mask(group, batch).to(base.dtype)

    def fold(self, x: Tensor) -> Tensor:
        """[canvases, width, heads, d] -> [pairs, canvases, width * group, d]: a pair's query heads become rows."""
        count, width, _, size = x.shape
        return x.view(count, width, -1, self._group, size).permute(2, 0, 1, 3, 4).flatten(2, 3)

    def unfold(self, x: Tensor) -> Tensor:
        """The way back: [canvases * width, heads * d]."""
        return x.unflatten(2, (self.width, self._group)).permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1)

    def _mask(self, group: Group, batch: Batch) -> Tensor:
        """[canvases, width * group, window + suffix + width], 0 where a row sees a slot, else -inf."""
        device = group.tokens.device
        # The anchor's own row stands for it.
        window = torch.arange(len(batch.ids), device=device) < group.anchors[:, None]
        longest = batch.suffixes.shape[1] - 1
        suffix = torch.arange(longest, device=device) < batch.suffix_sizes[group.suffixes][:, None]
        sides = torch.cat([window, suffix], dim=1)[:, None].expand(-1, self.width, -1)
        known = functional.pad(group.known, (1, 0), value=True)[:, None]
        square = torch.ones(self.width, self.width, dtype=torch.bool, device=device)
        left = square.tril() | ~group.from_left[:, None, None]
        own = known & left | torch.eye(self.width, dtype=torch.bool, device=device)  # [canvases, width, width]
        seen = torch.cat([sides, own], dim=-1).repeat_interleave(self._group, dim=1)
        return torch.zeros(seen.shape, device=device).masked_fill_(~seen, -torch.inf)
