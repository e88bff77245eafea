"""The FIM layout's pass with gradients: what the decoder computes in an engine, for all runs of a window at once.

The prefix is read first, by the same adapted weights, and without gradients where it is only text. All rows of all runs
go through the matrices together; each run attends to the prefix up to its split, and to itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.gap.lora import MASK
from lacuna.engine.train.fim_batch import STRETCH, Rows, Run
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.lora import Lora, Stack

Read = tuple[Tensor, Tensor]  # keys and values of a layer, [pairs, tokens, head_dim]


class FimPass:
    def __init__(self, frozen: Frozen, lora: Lora, *, learns_prefix: bool = False) -> None:
        """`learns_prefix`: gradients go through the prefix too, which costs a fifth more."""
        self._learns_prefix = learns_prefix
        self._base, self._lora = frozen.decoder, lora
        self._norms, self._biases = frozen.norms, frozen.biases
        config = frozen.decoder.config
        self._heads, self._pairs, self._width = config.num_attention_heads, config.num_key_value_heads, config.head_dim

    def __call__(self, batch: Rows) -> Tensor:
        """Final states [rows, hidden]."""
        with torch.set_grad_enabled(self._learns_prefix and torch.is_grad_enabled()):
            reads = self._read(batch.prefix)
        embedded = self._base.embed_rows(batch.ids)
        x = embedded
        if MASK in self._lora.beside:
            x = torch.where(batch.masked[:, None], self._lora.beside[MASK].to(embedded.dtype), embedded)
        masks = [_mask(run).to(x.dtype).to(x.device) for run in batch.runs]
        cos_sin = self._base.rope.at(batch.positions)
        for number, stacks in enumerate(self._lora.layers):
            q, k, v = self._project(x, number, stacks, cos_sin)
            sizes = [run.rows for run in batch.runs]
            parts = zip(q.split(sizes), k.split(sizes), v.split(sizes), masks, batch.runs, strict=True)
            keys, values = reads[number]
            mixed = [
                self._attend(q, k, v, mask, keys[:, : 1 + run.split], values[:, : 1 + run.split])
                for q, k, v, mask, run in parts
            ]
            x = self._layer_end(x, torch.cat(mixed), number, stacks)
        return self._base.final_norm(x)

    def _read(self, ids: Tensor) -> list[Read]:
        x = self._base.embed_rows(ids)
        cos_sin = self._base.rope.at(torch.arange(len(ids), device=ids.device))
        later = torch.full((len(ids), len(ids)), -torch.inf, dtype=x.dtype, device=ids.device).triu(1)
        reads = []
        for number, stacks in enumerate(self._lora.layers):
            q, k, v = self._project(x, number, stacks, cos_sin)
            reads.append((k.transpose(0, 1), v.transpose(0, 1)))
            none = k.new_empty(self._pairs, 0, self._width)
            x = self._layer_end(x, self._attend(q, k, v, later, none, none), number, stacks)
        return reads

    def _project(
        self, x: Tensor, number: int, stacks: Mapping[str, Stack], cos_sin: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, [rows, heads or pairs, head_dim], the first two rotated."""
        qkv = stacks["qkv"](self._rms_norm(x, self._norms[number][0]))
        bias = self._biases[number]
        qkv = (qkv if bias is None else qkv + bias).unflatten(-1, (self._heads + 2 * self._pairs, self._width))
        q, k, v = qkv.split([self._heads, self._pairs, self._pairs], dim=1)
        rope = self._base.rope
        return rope.rotate(q * self._width**-0.5, *cos_sin), rope.rotate(k, *cos_sin), v

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """[rows, heads * head_dim] of one run; `mask` [rows, rows] is among its own rows."""
        rows, group = len(q), self._heads // self._pairs
        # A pair's query heads become rows: [pairs, group * rows, head_dim].
        folded = q.view(rows, self._pairs, group, -1).permute(1, 2, 0, 3).flatten(1, 2)
        own = folded @ k.permute(1, 2, 0) + mask.repeat(group, 1)
        weights = torch.cat([folded @ keys.mT, own], dim=-1).softmax(-1)
        before, inside = weights.split([keys.shape[1], rows], dim=-1)
        mixed = before @ values + inside @ v.transpose(0, 1)
        return mixed.view(self._pairs, group, rows, -1).permute(2, 0, 1, 3).flatten(1)

    def _layer_end(self, x: Tensor, mixed: Tensor, number: int, stacks: Mapping[str, Stack]) -> Tensor:
        x = x + stacks["o"](mixed)
        gate, up = stacks["gate_up"](self._rms_norm(x, self._norms[number][1])).chunk(2, dim=-1)
        return x + stacks["down"](functional.silu(gate) * up)

    def _rms_norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self._base.config.rms_norm_eps)


def _mask(run: Run) -> Tensor:
    """[rows, rows], 0 where a row sees another of its run, else -inf: the ids causally; a masked position the ids up to
    the one that it stands behind, and itself."""
    count = len(run.ids)
    seen = torch.eye(run.rows, dtype=torch.bool)
    seen[:count, :count] = torch.ones(count, count, dtype=torch.bool).tril()
    for rank, node in enumerate(run.behind):
        rows = slice(count + rank * STRETCH, count + (rank + 1) * STRETCH)
        seen[rows, : node + 1] = True
    return torch.zeros(run.rows, run.rows).masked_fill_(~seen, -torch.inf)
