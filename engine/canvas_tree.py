"""Drafts and the noise behind them, as rows of one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.draft_tree import DraftTree


class CanvasTree:
    """Rows: the anchor, the drafts' tokens, the noise.

    Drafts are read from the left: each token sees the anchor, what its draft holds left of it, and itself. Noise sees
    the anchor, all of the beginning that it stands behind, and of all noise itself alone.
    """

    def __init__(self, drafts: Sequence[Sequence[int]], noise: Mapping[tuple[int, ...], int]) -> None:
        """`noise`: how many positions of it stand behind beginnings of drafts; behind () they stand at the anchor."""
        self.drafts = DraftTree(drafts)
        self.noise = dict(noise)
        self.rows_after: dict[tuple[int, ...], int] = {(): 0}  # the row that predicts what follows a beginning
        for draft, path in zip(drafts, self.drafts.paths, strict=True):
            self.rows_after |= {tuple(draft[: at + 1]): 1 + row for at, row in enumerate(path)}
        self._read = 1 + len(self.drafts.tokens)
        behind = [len(beginning) for beginning in self.noise]
        lengths = self.noise.values()
        far = [1 + count + at for count, length in zip(behind, lengths, strict=True) for at in range(length)]
        self.depths = [0, *(1 + depth for depth in self.drafts.depths), *far]  # positions, counted from the anchor

    def noise_rows(self) -> dict[tuple[int, ...], range]:
        """Per beginning the rows of its noise; the one at position i predicts position i + 1."""
        rows, start = dict[tuple[int, ...], range](), self._read
        for beginning, length in self.noise.items():
            rows[beginning] = range(start, start + length)
            start += length
        return rows

    def mask(self) -> Tensor:
        """bool [rows, rows]: what each row sees of the others."""
        own = torch.eye(len(self.depths), dtype=torch.bool)
        own[:, 0] = True
        own[1 : self._read, 1 : self._read] = self.drafts.mask("cpu")
        for beginning, rows in self.noise_rows().items():
            seen = own[self.rows_after[beginning], : self._read]
            own[rows.start : rows.stop, : self._read] = seen
        return own
