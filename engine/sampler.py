"""Denoising: every pass guesses what the noise stands for, and reads the guesses of the pass before from the left.

One step: (1) a lane's guesses become drafts, a tree of likely continuations (engine/drafting.py); (2) one pass of the
adapted model reads them, each token with both sides and what is left of it in view, and denoises stretches of noise
behind the likeliest; (3) from the left, each position takes the best token behind what is decided, as long as that was
read, and what it could have been instead is a branch; (4) the noise behind what was read last makes the next guesses;
(5) branches that may still turn out likelier than the fills that are whole become lanes, and lanes that cannot any
more are given up.

A lane is what one token a pass would give (speculative decoding, arXiv 2211.17192, with greedy choice); noise only
decides how many passes that takes. The first guess is the base's, which has read the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import inf

from engine.branches import Branches
from engine.canvas_tree import Beginning, CanvasTree
from engine.context import Context
from engine.drafting import Drafter, Drafts
from engine.gap import Frame
from engine.lane import Lane
from engine.models.gap import GapDenoiser, Said

LANES = 7  # that take passes, at most: the tail has room for so many of 32 tokens and their drafts
BEHIND = 2.0  # nats that a lane may be behind the first one while too few fills are whole


def denoise(
    denoiser: GapDenoiser,
    context: Context,
    lanes: list[Lane],
    wanted: int,
    short: bool,
    drafter: Drafter | None,
    check: Callable[[], None],
) -> Iterator[Frame]:
    """Decides the first of `lanes` and adds others; at the end the likeliest comes first, and none is left that was
    given up. After every step a frame of the first one.

    Of a `short` hole the `wanted` likeliest fills are looked for. Longer fills are all unlikely, and what ends soon the
    least so: their lanes part at the first token, go to their ends and are compared per token.

    Without a drafter a lane gets one token a pass. `check` runs before every pass and may raise. Nothing is random.
    """
    chooser = _Chooser(denoiser.config.end_of_hole_token_id, drafter is not None, short)
    kept = list[Beginning]()
    lanes[0].guesses = {0: context.next_log_probabilities[0]}
    active = chooser.active(lanes, wanted)
    for step in count(1):
        if not active:
            return
        check()
        tree = _tree(active, [drafter.draft(lane) if drafter else _undrafted(lane) for lane in active], kept)
        said = denoiser.denoise(context, tree)
        for lane in active:
            chooser.choose(lane, said)
        kept = _keep(context, tree, active)
        active = chooser.active(lanes, wanted)
        if not active:
            whole = [lane for lane in lanes if lane.finished]
            lanes[:] = sorted(whole, key=lambda lane: lane.score if short else lane.mean, reverse=True)
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
    """Decides positions by what was read, and which branches are followed."""

    def __init__(self, end: int, more: bool, short: bool) -> None:
        """`more`: all that was read is accepted, not one token a pass."""
        self._end, self._more, self._short = end, more, short
        self._branches = Branches()
        self._begun = 1  # lanes that took passes

    def active(self, lanes: list[Lane], wanted: int) -> list[Lane]:
        """The lanes that go on; branches are added to `lanes`. One that ends at once costs nothing."""
        most = min(2 * wanted - 1, LANES) if self._short else wanted
        while (branch := self._branches.take(self._least(lanes, wanted))) is not None:
            if branch.finished and self._short:
                lanes.append(branch)
            elif not branch.finished and self._begun < most:
                self._begun += 1
                lanes.append(branch)
        least = self._least(lanes, wanted)
        return [lane for lane in lanes if not lane.finished and lane.score > least]

    def _least(self, lanes: Sequence[Lane], wanted: int) -> float:
        """The score that a lane must be above: what follows can only lower it. Who wants several fills wants some that
        say something."""
        if not self._short:
            return -inf
        whole = sorted((lane.score for lane in lanes if lane.finished and (lane.free or wanted == 1)), reverse=True)
        return whole[wanted - 1] if len(whole) >= wanted else lanes[0].score - BEHIND

    def choose(self, lane: Lane, said: Said) -> None:
        """Accepts from the left."""
        if not lane.tokens:
            lane.empty_score = _score([*lane.empty, self._end], said)
        while not lane.finished and (row := said.following.get(tuple(lane.tokens))) is not None:
            scores = lane.constrain(lane.tokens, row).log_softmax(-1)
            token = int(scores.argmax())
            if self._short or not lane.free:
                self._branches.remember(lane, token, scores, row)
            lane.accept(lane.canvas.leftmost(), token, float(scores[token]), float(row[token]))
            if not self._more:
                return
        for beginning in sorted(said.noise, key=len):  # what stood behind more of what is decided knows better
            if tuple(lane.tokens[: len(beginning)]) == beginning:
                lane.guesses |= dict(enumerate(said.noise[beginning], len(beginning) + 1))
        lane.guesses = {at: guess for at, guess in lane.guesses.items() if at >= len(lane.tokens)}


def _score(tokens: Sequence[int], said: Said) -> float:
    return sum(float(said.following[tuple(tokens[:at])][token]) for at, token in enumerate(tokens))
