"""Denoising: every pass guesses what the noise stands for, and reads the guesses of the pass before from the left.

One step: (1) a hypothesis' guesses become drafts, a tree of likely continuations
(engine/families/gap/decoding/drafter.py); (2) one pass of the adapted model reads them, each token with both sides and
what is left of it in view, and denoises stretches of noise behind the likeliest; (3) from the left, each position takes
the best token behind what is decided, as long as that was read, and what it could have been instead is a branch; (4)
the noise behind what was read last makes the next guesses; (5) branches that may still turn out likelier than the fills
that are whole become hypotheses, and hypotheses that cannot any more are given up.

A hypothesis is what one token a pass would give (speculative decoding, arXiv 2211.17192, with greedy choice); noise
only decides how many passes that takes. The first guess is the base's, which has read the prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import exp, inf, log

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.drafter import Drafter, Drafts
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.families.gap.decoding.search import Frontier
from lacuna.engine.families.gap.decoding.tree_attention import Beginning, CanvasTree
from lacuna.engine.families.gap.denoiser import GapDenoiser, Verified
from lacuna.engine.families.gap.kv_context import KvContext

BEHIND = 2.0  # nats that a hypothesis may be behind the first one while no fill is whole


@dataclass(frozen=True)
class Search:
    """How many fills are looked for, and how hard."""

    fills: int
    hypotheses: int  # that take passes, at most
    # Of a short hole the likeliest fills are looked for. Longer ones are all unlikely, and what ends soon the least so:
    # their hypotheses part at the first token, go to their ends, and are compared per token.
    short: bool


def denoise(
    denoiser: GapDenoiser,
    context: KvContext,
    hypotheses: list[Hypothesis],
    search: Search,
    drafter: Drafter | None,
    check: Callable[[], None],
) -> Iterator[Frame]:
    """Decides the first of `hypotheses` and adds others; at the end the likeliest comes first, and none is left that
    was given up. After every step a frame of the first one.

    Without a drafter a hypothesis gets one token a pass. `check` runs before every pass and may raise. Nothing is
    random.
    """
    assert context.suffix is not None, "the suffix is read before the canvas"
    endings = [denoiser.config.end_of_hole_token_id, *context.suffix.ids[:1]]
    chooser = _Chooser(endings, drafter is not None, search)
    kept = list[Beginning]()
    hypotheses[0].guesses = {0: context.next_log_probabilities[0]}
    active = chooser.active(hypotheses)
    for step in count(1):
        if not active:
            return
        check()
        tree = _tree(
            active, [drafter.draft(hypothesis) if drafter else _undrafted(hypothesis) for hypothesis in active], kept
        )
        verified = denoiser.denoise(context, tree)
        for hypothesis in active:
            chooser.choose(hypothesis, verified)
        kept = _keep(context, tree, active)
        active = chooser.active(hypotheses)
        if not active:
            fills = _fills(hypotheses)
            for hypothesis, score in fills.items():
                hypothesis.score = score
            hypotheses[:] = sorted(
                fills, key=lambda hypothesis: hypothesis.score if search.short else hypothesis.mean, reverse=True
            )
        yield hypotheses[0].frame(step)


def _undrafted(hypothesis: Hypothesis) -> Drafts:
    return Drafts([tuple(hypothesis.tokens)], {})


def _tree(hypotheses: Sequence[Hypothesis], drafts: Sequence[Drafts], kept: Sequence[Beginning]) -> CanvasTree:
    """All drafts, and before anything is decided the empty fill, which is scored beside them."""
    noise = {beginning: length for one in drafts for beginning, length in one.noise.items()}
    empty = [hypothesis.empty for hypothesis in hypotheses if not hypothesis.tokens]
    return CanvasTree([beginning for one in drafts for beginning in one.beginnings] + empty, noise, kept)


def _keep(context: KvContext, tree: CanvasTree, hypotheses: Sequence[Hypothesis]) -> list[Beginning]:
    """Moves what was read of the decided tokens to where the tail begins, but for the last, which predicts the next."""
    beginnings = (
        tuple(hypothesis.tokens[:count]) for hypothesis in hypotheses for count in range(len(hypothesis.tokens))
    )
    kept = [beginning for beginning in dict.fromkeys(beginnings) if beginning in tree.columns]
    context.cache.move([context.tail + tree.columns[beginning] for beginning in kept], context.tail)
    return kept


class _Chooser:
    """Decides positions by what was read, and which branches are followed."""

    def __init__(self, endings: list[int], more: bool, search: Search) -> None:
        """`endings` are the end-of-hole token and the suffix' first one. `more`: all that was read is accepted, not one
        token a pass."""
        self._endings, self._more, self._search = endings, more, search
        self._frontier = Frontier()
        self._begun = 1  # hypotheses that took passes

    def active(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses that go on; branches are added to `hypotheses`. One that ends at once costs nothing."""
        while (branch := self._frontier.take(self._least(hypotheses))) is not None:
            if branch.finished and self._search.short:
                hypotheses.append(branch)
            elif not branch.finished and self._begun < self._search.hypotheses:
                self._begun += 1
                hypotheses.append(branch)
        least = self._least(hypotheses)
        return [hypothesis for hypothesis in hypotheses if not hypothesis.finished and hypothesis.score > least]

    def _least(self, hypotheses: Sequence[Hypothesis]) -> float:
        """The score that a hypothesis must be above: what follows can only lower it. Who wants several fills wants some
        that say something."""
        fills = self._search.fills
        whole = sorted(
            (score for hypothesis, score in _fills(hypotheses).items() if hypothesis.free or fills == 1), reverse=True
        )
        if not self._search.short or 0 < len(whole) < fills:
            return -inf
        return whole[fills - 1] if whole else hypotheses[0].score - BEHIND

    def choose(self, hypothesis: Hypothesis, verified: Verified) -> None:
        """Accepts from the left."""
        if not hypothesis.tokens:
            hypothesis.empty_score = _score([*hypothesis.empty, self._endings[0]], verified)
        while not hypothesis.finished and (row := verified.following.get(tuple(hypothesis.tokens))) is not None:
            scores = hypothesis.constrain(hypothesis.tokens, row).log_softmax(-1)
            token = int(scores.argmax())
            hypothesis.endings.append(float(row[self._endings].logsumexp(0)))
            if self._search.short or not hypothesis.free:
                self._frontier.remember(hypothesis, token, scores, row)
            hypothesis.accept(hypothesis.canvas.leftmost(), token, float(scores[token]), float(row[token]))
            if not self._more:
                return
        for beginning in sorted(verified.noise, key=len):  # what stood behind more of what is decided knows better
            if tuple(hypothesis.tokens[: len(beginning)]) == beginning:
                hypothesis.guesses |= dict(enumerate(verified.noise[beginning], len(beginning) + 1))
        hypothesis.guesses = {at: guess for at, guess in hypothesis.guesses.items() if at >= len(hypothesis.tokens)}


def _fills(hypotheses: Sequence[Hypothesis]) -> dict[Hypothesis, float]:
    """A hypothesis for every text that is whole, and the log probability of all ways in which hypotheses came to it:
    what ends a line, and what is cut off behind its end, can be written in many."""
    ways: dict[bytes, list[Hypothesis]] = {}
    for hypothesis in hypotheses:
        if hypothesis.finished:
            ways.setdefault(hypothesis.spelled, []).append(hypothesis)
    best = {max(same, key=lambda hypothesis: hypothesis.score): same for same in ways.values()}
    return {
        first: first.score + log(sum(exp(hypothesis.score - first.score) for hypothesis in same))
        for first, same in best.items()
    }


def _score(tokens: Sequence[int], verified: Verified) -> float:
    return sum(float(verified.following[tuple(tokens[:at])][token]) for at, token in enumerate(tokens))
