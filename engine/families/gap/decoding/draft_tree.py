"""Drafts that are read in one pass: what several begin with alike is one row of the pass, not one for each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class DraftTree:
    """Rows stand in the order in which the drafts bring them up, so a row's parents stand before it (the layout of
    tree attention in SpecInfer, arXiv 2305.09781)."""

    def __init__(self, drafts: Sequence[Sequence[int]]) -> None:
        self.tokens: list[int] = []
        self.depths: list[int] = []
        self.paths: list[list[int]] = []  # per draft, the rows of its tokens
        rows: dict[tuple[int, ...], int] = {}
        for draft in drafts:
            beginnings = [tuple(draft[:count]) for count in range(1, len(draft) + 1)]
            for depth, beginning in enumerate(beginnings):
                if beginning not in rows:
                    rows[beginning] = len(self.tokens)
                    self.tokens.append(draft[depth])
                    self.depths.append(depth)
            self.paths.append([rows[beginning] for beginning in beginnings])

    def mask(self, device: str) -> Tensor:
        """[rows, rows]: each row sees itself and what its drafts hold left of it."""
        mask = torch.zeros(len(self.tokens), len(self.tokens), dtype=torch.bool)
        for path in self.paths:
            for count, row in enumerate(path, 1):
                mask[row, path[:count]] = True
        return mask.to(device)
