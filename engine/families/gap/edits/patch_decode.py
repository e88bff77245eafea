"""The decode loop of an edit: several holes on one canvas, decided by the canvas pass and the base together.

A step: (1) the canvas pass, in which all that is known is seen from both sides; (2) its best tokens make a draft; (3)
one causal pass of the base verifies the draft, pinned tokens included; (4) the product of both distributions decides.

Each hole is decided from the left. The leftmost masked position takes its best token in any case; a position right of
it where that token is the drafted one and probable enough; and a hole is begun before those left of it are done only
where there is hardly a doubt, since the base has verified a mere draft there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

from torch import Tensor

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.denoiser import GapDenoiser
from lacuna.engine.families.gap.edits.patch_hypothesis import PatchHypothesis
from lacuna.engine.families.gap.kv_context import KvContext

SURE = 0.1  # probability from which a position right of the leftmost masked one is accepted
AHEAD = 0.9  # probability from which a token is accepted while there are masked positions left of its hole


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
        for hypothesis, draft, rows, base in zip(active, drafts, proposals, scores, strict=True):
            _accept(hypothesis, draft, dict(enumerate(rows, hypothesis.canvas.leftmost())), base)
        yield hypotheses[0].frame(step)


def _accept(
    hypothesis: PatchHypothesis, draft: Sequence[int], canvas: Mapping[int, Tensor], base: Sequence[Tensor]
) -> None:
    """Accepts tokens from the left in every hole, up to the first one that the base has not verified.

    All are by position: the draft's tokens, and the log probabilities [vocab] of the canvas pass and of the base.
    """
    first = hypothesis.canvas.leftmost()
    for hole in hypothesis.layout.holes:
        for at in hole.positions:
            if hypothesis.canvas.token(at) is not None:
                continue
            before = draft[hole.positions.start : at]
            log_probs = hypothesis.constrain(hole, before, canvas[at] + base[at]).log_softmax(-1)
            token = int(log_probs.argmax())
            if at > first and log_probs[token] < _least(hypothesis, at):
                break
            hypothesis.accept(at, token)
            if token != draft[at]:
                return


def _least(hypothesis: PatchHypothesis, at: int) -> float:
    """Log probability from which a token is accepted beside the leftmost one: with noise left of it, hardly a doubt."""
    return math.log(SURE if hypothesis.canvas.leftmost() == at else AHEAD)
