"""Denoising: every pass guesses what the noise stands for, and reads the guesses of the pass before from the left.

One step: (1) a lane's guesses become drafts, a tree of likely continuations (engine/families/gap/decoding/drafter.py);
(2) one pass of the adapted model reads them, each token with both sides and what is left of it in view, and denoises
stretches of noise behind the likeliest; (3) from the left, each position takes the best token behind what is decided,
as long as that was read, and what it could have been instead is a branch; (4) the noise behind what was read last makes
the next guesses; (5) branches that may still turn out likelier than the fills that are whole become lanes, and lanes
that cannot any more are given up.

A lane is what one token a pass would give (speculative decoding, arXiv 2211.17192, with greedy choice); noise only
decides how many passes that takes. The first guess is the base's, which has read the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import exp, inf, log

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.drafter import Drafter, Drafts
from lacuna.engine.families.gap.decoding.hypothesis import Lane
from lacuna.engine.families.gap.decoding.search import Branches
from lacuna.engine.families.gap.decoding.tree_attention import Beginning, CanvasTree
from lacuna.engine.families.gap.denoiser import GapDenoiser, Said
from lacuna.engine.families.gap.kv_context import Context

BEHIND = 2.0  # nats that a lane may be behind the first one while no fill is whole


@dataclass(frozen=True)
class Search:
    """How many fills are looked for, and how hard."""

    fills: int
    lanes: int  # that take passes, at most
    # Of a short hole the likeliest fills are looked for. Longer ones are all unlikely, and what ends soon the least so:
    # their lanes part at the first token, go to their ends, and are compared per token.
    short: bool


def denoise(
    denoiser: GapDenoiser,
    context: Context,
    lanes: list[Lane],
    search: Search,
    drafter: Drafter | None,
    check: Callable[[], None],
) -> Iterator[Frame]:
    """Decides the first of `lanes` and adds others; at the end the likeliest comes first, and none is left that was
    given up. After every step a frame of the first one.

    Without a drafter a lane gets one token a pass. `check` runs before every pass and may raise. Nothing is random.
    """
    assert context.suffix is not None, "the suffix is read before the canvas"
    endings = [denoiser.config.end_of_hole_token_id, *context.suffix.ids[:1]]
    chooser = _Chooser(endings, drafter is not None, search)
    kept = list[Beginning]()
    lanes[0].guesses = {0: context.next_log_probabilities[0]}
    active = chooser.active(lanes)
    for step in count(1):
        if not active:
            return
        check()
        tree = _tree(active, [drafter.draft(lane) if drafter else _undrafted(lane) for lane in active], kept)
        said = denoiser.denoise(context, tree)
        for lane in active:
            chooser.choose(lane, said)
        kept = _keep(context, tree, active)
        active = chooser.active(lanes)
        if not active:
            fills = _fills(lanes)
            for lane, score in fills.items():
                lane.score = score
            lanes[:] = sorted(fills, key=lambda lane: lane.score if search.short else lane.mean, reverse=True)
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

    def __init__(self, endings: list[int], more: bool, search: Search) -> None:
        """`endings` are the end-of-hole token and the suffix' first one. `more`: all that was read is accepted, not one
        token a pass."""
        self._endings, self._more, self._search = endings, more, search
        self._branches = Branches()
        self._begun = 1  # lanes that took passes

    def active(self, lanes: list[Lane]) -> list[Lane]:
        """The lanes that go on; branches are added to `lanes`. One that ends at once costs nothing."""
        while (branch := self._branches.take(self._least(lanes))) is not None:
            if branch.finished and self._search.short:
                lanes.append(branch)
            elif not branch.finished and self._begun < self._search.lanes:
                self._begun += 1
                lanes.append(branch)
        least = self._least(lanes)
        return [lane for lane in lanes if not lane.finished and lane.score > least]

    def _least(self, lanes: Sequence[Lane]) -> float:
        """The score that a lane must be above: what follows can only lower it. Who wants several fills wants some that
        say something."""
        fills = self._search.fills
        whole = sorted((score for lane, score in _fills(lanes).items() if lane.free or fills == 1), reverse=True)
        if not self._search.short or 0 < len(whole) < fills:
            return -inf
        return whole[fills - 1] if whole else lanes[0].score - BEHIND

    def choose(self, lane: Lane, said: Said) -> None:
        """Accepts from the left."""
        if not lane.tokens:
            lane.empty_score = _score([*lane.empty, self._endings[0]], said)
        while not lane.finished and (row := said.following.get(tuple(lane.tokens))) is not None:
            scores = lane.constrain(lane.tokens, row).log_softmax(-1)
            token = int(scores.argmax())
            lane.endings.append(float(row[self._endings].logsumexp(0)))
            if self._search.short or not lane.free:
                self._branches.remember(lane, token, scores, row)
            lane.accept(lane.canvas.leftmost(), token, float(scores[token]), float(row[token]))
            if not self._more:
                return
        for beginning in sorted(said.noise, key=len):  # what stood behind more of what is decided knows better
            if tuple(lane.tokens[: len(beginning)]) == beginning:
                lane.guesses |= dict(enumerate(said.noise[beginning], len(beginning) + 1))
        lane.guesses = {at: guess for at, guess in lane.guesses.items() if at >= len(lane.tokens)}


def _fills(lanes: Sequence[Lane]) -> dict[Lane, float]:
    """A lane for every text that is whole, and the log probability of all ways in which lanes came to it: what ends a
    line, and what is cut off behind its end, can be written in many."""
    ways: dict[bytes, list[Lane]] = {}
    for lane in lanes:
        if lane.finished:
            ways.setdefault(lane.spelled, []).append(lane)
    best = {max(same, key=lambda lane: lane.score): same for same in ways.values()}
    return {
        first: first.score + log(sum(exp(lane.score - first.score) for lane in same)) for first, same in best.items()
    }


def _score(tokens: Sequence[int], said: Said) -> float:
    return sum(float(said.following[tuple(tokens[:at])][token]) for at, token in enumerate(tokens))
