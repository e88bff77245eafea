"""Experts whose matrices stay packed: some at a time are decoded, multiplied with, and forgotten."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lacuna.engine.families.diffusion_gemma.mlp import gated
from lacuna.engine.layers.packed_linear import Weight

AT_ONCE = 16  # experts: of the published model 127 MB of decoded weights in bfloat16


class InDecodedGroups:
    """Two products over runs of tokens, each run with its own matrix. A chunk of experts without tokens is not
    decoded."""

    def __init__(self, gate_up_proj: Weight, down_proj: Weight, at_once: int = AT_ONCE) -> None:
        """Banks [experts, out, in], of which one may be floats."""
        self._gate_up_proj, self._down_proj = gate_up_proj, down_proj
        self._at_once = at_once

    def __call__(self, x: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
        """[pairs, hidden] for x of shape [tokens, hidden]: the first counts[0] of `tokens` are the first expert's."""
        chosen = x.index_select(0, tokens)
        chunks = counts.split(self._at_once)
        # Here the host waits, once a layer: it must know which rows are whose, and what need not be decoded.
        rows_of = torch.stack([chunk.sum() for chunk in chunks]).tolist()
        outer, start = [], 0
        for number, (chunk, rows) in enumerate(zip(chunks, rows_of, strict=True)):
            if rows:
                experts = slice(number * self._at_once, (number + 1) * self._at_once)
                outer.append(self._chunk(chosen[start : start + rows], experts, chunk.cumsum(0).to(torch.int32)))
            start += rows
        return torch.cat(outer)

    def _chunk(self, x: Tensor, experts: slice, ends: Tensor) -> Tensor:
        """[rows, hidden] for the rows of some experts, the last of each before `ends`."""
        inner = gated(functional.grouped_mm(x, _decoded(self._gate_up_proj[experts], x.dtype), offs=ends))
        return functional.grouped_mm(inner, _decoded(self._down_proj[experts], x.dtype), offs=ends)


def _decoded(bank: Weight, dtype: torch.dtype) -> Tensor:
    """[experts, in, out]"""
    return (bank if isinstance(bank, Tensor) else bank.decode(dtype)).transpose(1, 2)
