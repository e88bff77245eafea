"""Denoising: every pass guesses what the noise stands for, and reads the guesses of the pass before from the left.

One step: (1) a lane's guesses become drafts, a tree of likely continuations (engine/drafting.py); (2) one pass of the
adapted model reads them, each token with both sides and what is left of it in view, and denoises stretches of noise
behind the likeliest; (3) from the left, each position takes the best token behind what is decided, as long as that was
read; (4) the noise behind what was read last makes the next guesses. What is decided is what one token a pass would
give (speculative decoding, arXiv 2211.17192, with greedy choice); noise only decides how many passes that takes. The
first guess is the base's, which has read the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from torch import Tensor

from engine.canvas_tree import Beginning, CanvasTree
from engine.context import Context
from engine.drafting import Drafter, Drafts
from engine.gap import Frame
from engine.lane import Lane
from engine.models.gap import GapDenoiser, Said


def denoise(
    denoiser: GapDenoiser,
    context: Context,
    lanes: Sequence[Lane],
    drafter: Drafter | None,
    check: Callable[[], None],
) -> Iterator[Frame]:
    """Decides all lanes, a frame of the first one after every step; without a drafter one token a pass.

    `check` runs before every pass and may raise.

    Nothing here is random: lanes differ because each takes the best first token that no lane before it took.
    """
    chooser = _Chooser(denoiser.config.end_of_hole_token_id)
    kept = list[Beginning]()
    for lane in lanes:
        lane.guesses = {0: context.next_log_probabilities[0]}
    for step in count(1):
        active = [lane for lane in lanes if not lane.finished]
        if not active:
            return
        check()
        tree = _tree(active, [drafter.draft(lane) if drafter else _undrafted(lane) for lane in active], kept)
        said = denoiser.denoise(context, tree)
        for lane in active:
            chooser.choose(lane, said, more=drafter is not None)
        kept = _keep(context, tree, active)
        yield lanes[0].frame(step)


def _undrafted(lane: Lane) -> Drafts:
    return Drafts([tuple(lane.tokens)], {})


def _tree(lanes: Sequence[Lane], drafts: Sequence[Drafts], kept: Sequence[Beginning]) -> CanvasTree:
    """All drafts, and before anything is decided the empty fill, which is scored beside them."""
    noise = {beginning: length for one in drafts for beginning, length in one.noise.items()}
    empty = [lane.empty for lane in lanes if not lane.tokens]
    return CanvasTree([beginning for one in drafts for beginning in one.beginnings] + empty, noise, kept)


def _keep(context: Context, tree: CanvasTree, lanes: Sequence[Lane]) -> list[Beginning]:
    """Moves what was read of the decided tokens to where the tail begins, but for the last, which predicts the next."""
    beginnings = (tuple(lane.tokens[:count]) for lane in lanes for count in range(len(lane.tokens)))
    kept = [beginning for beginning in dict.fromkeys(beginnings) if beginning in tree.columns]
    context.cache.move([context.tail + tree.columns[beginning] for beginning in kept], context.tail)
    return kept


class _Chooser:
    """Decides positions by what was read, and remembers which first tokens are taken."""

    def __init__(self, end: int) -> None:
        self.end = end
        self._taken: set[tuple[int, ...]] = set()

    def choose(self, lane: Lane, said: Said, more: bool) -> None:
        """Accepts from the left: one token, or as far as was read."""
        if not lane.tokens:
            lane.empty_score = _score([*lane.empty, self.end], said)
        while not lane.finished and (row := said.following.get(tuple(lane.tokens))) is not None:
            scores = lane.constrain(lane.tokens, row).log_softmax(-1)
            token = self._best(lane, scores)
            if not lane.free:
                self._taken.add((*lane.tokens, token))
            lane.accept(lane.canvas.leftmost(), token, float(scores[token]), float(row[token]))
            if not more:
                return
        for beginning in sorted(said.noise, key=len):  # what stood behind more of what is decided knows better
            if tuple(lane.tokens[: len(beginning)]) == beginning:
                lane.guesses |= dict(enumerate(said.noise[beginning], len(beginning) + 1))

    def _best(self, lane: Lane, scores: Tensor) -> int:
        if lane.free:
            return int(scores.argmax())
        decided = tuple(lane.tokens)
        order = scores.topk(len(self._taken) + 1).indices.tolist()
        possible = (token for token in order if scores[token].isfinite() and (*decided, token) not in self._taken)
        return int(next(possible, order[0]))  # where the stub leaves one token, lanes part later


def _score(tokens: Sequence[int], said: Said) -> float:
    return sum(float(said.following[tuple(tokens[:at])][token]) for at, token in enumerate(tokens))
