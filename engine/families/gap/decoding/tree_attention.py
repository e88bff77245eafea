"""Tree attention: draft tokens as rows of one pass, each seeing its ancestors only (SpecInfer, arXiv 2305.09781)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Node = tuple[int, ...]  # of a draft tree: a fill's tokens up to it. () is the anchor, the last token before the hole


class CanvasTree:
    """Rows of a canvas pass: the nodes that are verified, by their last tokens, and then masked positions.

    A node's row sees the anchor, the node's ancestors and itself. A masked position sees the node that it stands behind
    with all its ancestors, and itself; no other masked position.
    """

    def __init__(self, drafts: Sequence[Node], masked: Mapping[Node, int], kept: Sequence[Node] = ()) -> None:
        """`drafts` are nodes to verify, with all their ancestors. `masked`: how many masked positions stand behind
        which of these. `kept`: nodes whose KV passes before have left in the first scratch slots, in their order."""
        ancestors = (draft[:count] for draft in drafts for count in range(len(draft) + 1))
        self.nodes = [node for node in dict.fromkeys(((), *ancestors)) if node not in kept]
        self.masked = dict(masked)
        self.columns = {node: at for at, node in enumerate([*kept, *self.nodes])}
        self.kept = len(kept)
        far = [len(node) + 1 + at for node, length in self.masked.items() for at in range(length)]
        self.depths = [*map(len, self.nodes), *far]  # positions, counted from the anchor

    def masked_rows(self) -> dict[Node, range]:
        """Per node the rows of its masked positions; the one at position i predicts position i + 1."""
        rows, start = dict[Node, range](), len(self.nodes)
        for node, length in self.masked.items():
            rows[node] = range(start, start + length)
            start += length
        return rows

    def mask(self) -> Tensor:
        """bool [rows, kept + rows]: what each row sees of what was kept, and of the others."""
        mask = torch.zeros(len(self.depths), self.kept + len(self.depths), dtype=torch.bool)
        for row, node in enumerate(self.nodes):
            mask[row, self._path(node)] = True
        for node, rows in self.masked_rows().items():
            for row in rows:
                mask[row, [*self._path(node), self.kept + row]] = True
        return mask

    def _path(self, node: Node) -> list[int]:
        return [self.columns[node[:count]] for count in range(len(node) + 1)]


class DraftTree:
    """Rows of a causal pass of the base: drafts that begin alike share their rows.

    Rows stand in the order in which the drafts bring them up, so a row's ancestors stand before it.
    """

    def __init__(self, drafts: Sequence[Sequence[int]]) -> None:
        self.tokens: list[int] = []
        self.depths: list[int] = []
        self.paths: list[list[int]] = []  # per draft, the rows of its tokens
        rows: dict[Node, int] = {}
        for draft in drafts:
            nodes = [tuple(draft[:count]) for count in range(1, len(draft) + 1)]
            for depth, node in enumerate(nodes):
                if node not in rows:
                    rows[node] = len(self.tokens)
                    self.tokens.append(draft[depth])
                    self.depths.append(depth)
            self.paths.append([rows[node] for node in nodes])

    def mask(self, device: str) -> Tensor:
        """bool [rows, rows]: each row sees its ancestors and itself."""
        mask = torch.zeros(len(self.tokens), len(self.tokens), dtype=torch.bool)
        for path in self.paths:
            for count, row in enumerate(path, 1):
                mask[row, path[:count]] = True
        return mask.to(device)
