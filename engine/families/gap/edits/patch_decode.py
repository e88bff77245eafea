"""Denoising several holes in one canvas, with a left-to-right base at hand.

A step: (1) the canvas pass, in which all that is known is seen from both sides; (2) its best tokens make a draft; (3)
one base pass reads the draft with what is pinned in it; (4) the product of both decides.

Each hole is decided from the left. The leftmost noise takes its best token in any case; a position right of it where
that token is the drafted one and sure enough; and a hole is begun before those left of it are done only where there is
hardly a doubt, since the base has read a draft there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.draft_tree import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.patch_hypothesis import PatchHypothesis
from lacuna.engine.families.gap.kv_context import KvContext
from torch import Tensor

SURE = 0.1  # probability from which a position right of the leftmost noise is accepted
AHEAD = 0.9  # probability from which a token is accepted while there is noise left of its hole


def denoise(
    denoiser: GapDenoiser,
    context: KvContext,
    hypotheses: Sequence[PatchHypothesis],
    check: Callable[[], None],
) -> Iterator[Frame]:
    """Decides all hypotheses, whose canvases are of one length; a frame of the first one after every step.

    `check` runs before every pass and may raise. Nothing here is random.
    """
    for step in count(1):
        active = [hypothesis for hypothesis in hypotheses if not hypothesis.finished]
        if not active:
            return
        check()
        proposals = denoiser.denoise_between(context, [hypothesis.canvas for hypothesis in active])
        drafts = [hypothesis.draft(rows) for hypothesis, rows in zip(active, proposals, strict=True)]
        check()
        scores = denoiser.score(context, DraftTree(drafts))
        for hypothesis, draft, canvas, base in zip(active, drafts, proposals, scores, strict=True):
            _choose(hypothesis, draft, canvas, base)
        yield hypotheses[0].frame(step)


def _choose(hypothesis: PatchHypothesis, draft: list[int], canvas: Tensor, base: Sequence[Tensor]) -> None:
    """Accepts from the left in every hole, until a token is not the one that the base has read.

    `canvas` has shape [positions from the leftmost noise on, vocab], `base` has a row [vocab] before each token of the
    draft and after the last.
    """
    leftmost = hypothesis.canvas.leftmost()
    for hole in hypothesis.layout.holes:
        for at in hole.positions:
            if hypothesis.canvas.token(at) is not None:
                continue
            scores = canvas[at - leftmost] + base[at]
            product = hypothesis.constrain(hole, draft[hole.positions.start : at], scores).log_softmax(-1)
            token = int(product.argmax())
            least = SURE if hypothesis.canvas.leftmost() == at else AHEAD
            if at > leftmost and product[token] < math.log(least):
                break
            hypothesis.accept(at, token)
            if token != draft[at]:
                return
