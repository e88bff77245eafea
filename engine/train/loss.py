"""What training minimises: the canvas' own cross-entropy, and that of its product with the base.

The product is what decides in the sampler (engine/sampler.py). Where the base says already what comes next, the canvas
has only to add what the suffix says, and to end the hole in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.llama import Llama
from engine.sampler import PRODUCT_SHARPNESS
from engine.train.batch import Group
from engine.train.reads import Reads

CANVAS_WEIGHT, PRODUCT_WEIGHT = 0.5, 1.0


@dataclass(frozen=True)
class Loss:
    total: Tensor  # scalar, summed over positions
    tokens: int  # positions that were learned
    canvas: float  # mean cross-entropy at the leftmost hidden positions, of the canvas alone and of the product
    product: float
    first_right: int  # leftmost hidden positions that the product gets right
    firsts: int
    all_right: int  # canvases without anything known whose every position up to the end the product gets right
    alls: int


def loss(hidden: Tensor, groups: tuple[Group, ...], reads: Reads, base: Llama, end: int) -> Loss:
    """`hidden` has shape [rows, hidden], as the canvas pass gives it."""
    targets = [_Targets(group, reads) for group in groups]
    rows = hidden.split([group.tokens.shape[0] * (1 + group.length) for group in groups])
    picked = torch.cat([target.states(row) for target, row in zip(targets, rows, strict=True)])
    logits = base.logits(picked)  # [positions, vocab]
    tokens = torch.cat([target.tokens for target in targets])
    weights = torch.cat([target.weights for target in targets])
    canvas = functional.cross_entropy(logits.float(), tokens, reduction="none")
    known = torch.cat([target.base_knows for target in targets])
    joined = PRODUCT_SHARPNESS * (logits[known].float().log_softmax(-1) + _base(targets, reads, base, end))
    product = canvas.detach().clone()
    product_known = functional.cross_entropy(joined, tokens[known], reduction="none")
    total = CANVAS_WEIGHT * (weights * canvas).sum() + PRODUCT_WEIGHT * (
        (weights[known] * product_known).sum() + (weights[~known] * canvas[~known]).sum()
    )
    product[known] = product_known.detach()
    right = logits.detach().argmax(-1) == tokens
    right[known] = joined.detach().argmax(-1) == tokens[known]
    first = torch.cat([target.first for target in targets])
    fulls = [
        result
        for target, part in zip(targets, right.split([len(t.tokens) for t in targets]), strict=True)
        for result in target.full(part)
    ]
    return Loss(
        total=total,
        tokens=len(tokens),
        canvas=float(canvas.detach()[first].mean()),
        product=float(product[first].mean()),
        first_right=int(right[first].sum()),
        firsts=int(first.sum()),
        all_right=sum(fulls),
        alls=len(fulls),
    )


def _base(targets: list[_Targets], reads: Reads, base: Llama, end: int) -> Tensor:
    """The base's log probabilities [positions that it knows, vocab]; its suffix's first token is the hole's end."""
    with torch.no_grad():
        places = torch.cat([target.base_rows[target.base_knows] for target in targets])
        unique, back = places.unique(return_inverse=True)
        said = base.log_probabilities(reads.hidden[unique])[back]
        suffixes = torch.cat([target.suffixes[target.base_knows] for target in targets])
        ends = reads.suffix_ids[suffixes, 0].where(reads.suffix_sizes[suffixes] > 0, end)
        said[:, end] = said.gather(1, ends[:, None])[:, 0]
        return said


class _Targets:
    """The positions of one group that are learned, [positions] each, row by row."""

    def __init__(self, group: Group, reads: Reads) -> None:
        learned = group.weights > 0
        self._learned = learned
        self.tokens = group.tokens[learned]
        self.weights = group.weights[learned]
        places = torch.arange(group.length).expand_as(group.tokens)
        rows = group.anchors[:, None] + places
        self.base_rows = rows.clamp(max=len(reads.ids) - 1)[learned]
        # What is known right of a position tells the canvas, and not the base, whether the hole can end: still exact.
        self.base_knows = (group.base_knows & (rows < len(reads.ids)))[learned]
        self.suffixes = group.suffixes[:, None].expand_as(group.tokens)[learned]
        self.first = ((~group.known).cumsum(1) == 1)[learned] & (~group.known)[learned]
        self._counts = (places <= group.ends[:, None]) & group.all_hidden[:, None]
        self._whole = group.all_hidden

    def states(self, rows: Tensor) -> Tensor:
        """States that predict the learned positions: row i of a canvas' block predicts position i."""
        count, length = self._learned.shape
        return rows.unflatten(0, (count, length + 1))[:, :-1][self._learned]

    def full(self, right: Tensor) -> list[bool]:
        """Per canvas that was all noise, whether all up to its end is right."""
        grid = torch.ones(self._learned.shape, dtype=torch.bool)
        grid[self._learned] = right
        return [bool(row) for row in (grid | ~self._counts).all(1)[self._whole]]
