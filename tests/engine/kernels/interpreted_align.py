"""Pairs in blocks by expert, in Triton's interpreter, against torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lacuna.engine.kernels.align import CHUNK, align, most_blocks, reference


def check(expert: Tensor, experts: int, rows: int) -> None:
    aligned = align(expert, experts, rows)
    pair, number = reference(expert, experts, rows)
    used = int(aligned.used)
    assert used == len(number) <= aligned.most == most_blocks(expert.numel(), experts, rows)
    assert torch.equal(aligned.expert[:used], number)
    assert torch.equal(aligned.pair[: used * rows], pair)


@pytest.mark.parametrize("rows", [16, 64])
@pytest.mark.parametrize(("tokens", "top_k", "experts"), [(1, 1, 1), (1, 2, 8), (16, 4, 5), (100, 2, 7), (256, 8, 16)])
def test_same_as_in_torch(tokens: int, top_k: int, experts: int, rows: int) -> None:
    """The last has more pairs than a program looks at together."""
    torch.manual_seed(tokens)
    check(torch.rand(tokens, experts).topk(top_k).indices, experts, rows)
    assert CHUNK < 256 * 8


@pytest.mark.parametrize("chosen", [0, 3, 4])
def test_one_expert_has_all(chosen: int) -> None:
    check(torch.full((40, 1), chosen), 5, 16)


def test_every_expert_leaves_a_block_all_but_empty() -> None:
    """As many blocks as there can be."""
    expert = torch.arange(7)[:, None]
    check(expert, 7, 16)
    assert int(align(expert, 7, 16).used) == most_blocks(7, 7, 16) == 7


def test_as_many_experts_as_bins() -> None:
    """With 8 experts there are 16 bins, with 7 there are 8: one is always left for what stands behind the last pair."""
    for experts in (7, 8):
        check(torch.arange(experts - 1, -1, -1)[:, None].repeat(3, 1), experts, 16)
