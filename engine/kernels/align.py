"""(token, choice) pairs by expert, in blocks of as many rows as a program takes: a counting sort on the device.

The host never learns how many blocks there are: launches are as large as the worst case, and programs behind the last
block end at once. So a step can be captured as a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 1024  # pairs that a program looks at together


@dataclass(frozen=True)
class Aligned:
    """pair: int32 [most blocks * rows], every pair's number in order of experts, each expert's run filled up to whole
    blocks with the count of pairs. expert: int32 [most blocks]. used: int32 [1], how many blocks there are; what
    stands behind them is not set."""

    pair: Tensor
    expert: Tensor
    used: Tensor
    rows: int

    @property
    def most(self) -> int:
        """Blocks that there can be."""
        return len(self.expert)


def align(expert: Tensor, experts: int, rows: int) -> Aligned:
    """For the chosen experts' numbers, integers of any shape, below `experts`."""
    pairs = expert.numel()
    most = most_blocks(pairs, experts, rows)
    numbers = expert.flatten().to(torch.int32)
    aligned = Aligned(numbers.new_empty(most * rows), numbers.new_empty(most), numbers.new_empty(1), rows)
    bins = triton.next_power_of_2(experts + 1)
    align_kernel[(experts,)](
        numbers, aligned.pair, aligned.expert, aligned.used, pairs, BINS=bins, CHUNK=CHUNK, BM=rows, num_warps=4
    )
    return aligned


def most_blocks(pairs: int, experts: int, rows: int) -> int:
    """No routing makes more: every expert with pairs can leave a block all but empty."""
    return (pairs + min(pairs, experts) * (rows - 1)) // rows


def reference(expert: Tensor, experts: int, rows: int) -> tuple[Tensor, Tensor]:
    """`Aligned.pair` and `Aligned.expert` of the blocks that are used, in torch."""
    numbers = expert.flatten()
    counts = numbers.bincount(minlength=experts)
    blocks = -(-counts // rows)
    pair = numbers.new_full((int(blocks.sum()) * rows,), len(numbers))
    first = (blocks.cumsum(0) - blocks) * rows - (counts.cumsum(0) - counts)  # what runs are shifted by
    order = numbers.argsort(stable=True)
    pair[torch.arange(len(order)) + first[numbers[order]]] = order
    return pair.int(), torch.arange(experts).repeat_interleave(blocks).int()


@triton.jit(do_not_specialize=["pairs"])
def align_kernel(
    numbers, pair, expert, used, pairs, BINS: tl.constexpr, CHUNK: tl.constexpr, BM: tl.constexpr
):  # fmt: skip
    """A program per expert. Each counts all experts' pairs, which saves a launch and a buffer, then places its own in
    their order."""
    own = tl.program_id(0)
    counts = tl.zeros((BINS,), tl.int32)
    for start in range(0, pairs, CHUNK):
        at = start + tl.arange(0, CHUNK)
        counts += tl.histogram(tl.load(numbers + at, at < pairs, BINS - 1), BINS)  # the last bin is no expert's
    each = tl.arange(0, BINS)
    blocks = (counts + BM - 1) // BM
    first = tl.sum(tl.where(each < own, blocks, 0))
    count = tl.sum(tl.where(each == own, counts, 0))
    mine = (count + BM - 1) // BM
    if own == tl.num_programs(0) - 1:
        tl.store(used, first + mine)
    for block in range(0, mine):
        tl.store(expert + first + block, own)
    rest = first * BM + count + tl.arange(0, BM)
    tl.store(pair + rest, tl.zeros((BM,), tl.int32) + pairs, rest < (first + mine) * BM)
    place = first * BM
    for start in range(0, pairs, CHUNK):
        at = start + tl.arange(0, CHUNK)
        chosen = (tl.load(numbers + at, at < pairs, BINS - 1) == own).to(tl.int32)
        tl.store(pair + place + tl.cumsum(chosen) - 1, at, chosen != 0)
        place += tl.sum(chosen)
