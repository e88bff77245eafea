"""Drafts and the noise behind them, as rows of one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Beginning = tuple[int, ...]  # of a fill; () is the anchor, the last token before the hole


class CanvasTree:
    """Rows: what is read, the beginnings of drafts by their last tokens, and then the noise.

    Drafts are read from the left: each token sees the anchor, what its draft holds left of it, and itself. Noise sees
    all of the beginning that it stands behind, and of all noise itself alone.
    """

    def __init__(
        self, drafts: Sequence[Beginning], noise: Mapping[Beginning, int], kept: Sequence[Beginning] = ()
    ) -> None:
        """`noise`: how many positions of it stand behind beginnings of drafts. `kept`: beginnings that were read in
        passes before, in the order in which their keys and values stand."""
        beginnings = (draft[:count] for draft in drafts for count in range(len(draft) + 1))
        self.read = [beginning for beginning in dict.fromkeys(((), *beginnings)) if beginning not in kept]
        self.noise = dict(noise)
        self.columns = {beginning: at for at, beginning in enumerate([*kept, *self.read])}
        self.kept = len(kept)
        far = [len(beginning) + 1 + at for beginning, length in self.noise.items() for at in range(length)]
        self.depths = [*map(len, self.read), *far]  # positions, counted from the anchor

    def noise_rows(self) -> dict[Beginning, range]:
        """Per beginning the rows of its noise; the one at position i predicts position i + 1."""
        rows, start = dict[Beginning, range](), len(self.read)
        for beginning, length in self.noise.items():
            rows[beginning] = range(start, start + length)
            start += length
        return rows

    def mask(self) -> Tensor:
        """bool [rows, kept + rows]: what each row sees of what was kept, and of the others."""
        mask = torch.zeros(len(self.depths), self.kept + len(self.depths), dtype=torch.bool)
        for row, beginning in enumerate(self.read):
            mask[row, self._path(beginning)] = True
        for beginning, rows in self.noise_rows().items():
            for row in rows:
                mask[row, [*self._path(beginning), self.kept + row]] = True
        return mask

    def _path(self, beginning: Beginning) -> list[int]:
        return [self.columns[beginning[:count]] for count in range(len(beginning) + 1)]
