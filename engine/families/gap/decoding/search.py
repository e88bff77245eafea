"""The search over fills: greedy hypotheses, the branches beside them, and the bound below which they are pruned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from itertools import count
from math import exp, inf, isfinite, log

from torch import Tensor

from lacuna.engine.families.gap.decoding.hypothesis import NOTHING, Choice, Hypothesis
from lacuna.engine.families.gap.denoiser import Verified

BRANCHES = 3  # tokens of a position that are remembered beside the one that was taken
REPAIRS = 2  # times that what breaks the syntax is denoised anew
LEAST_DOUBT = log(0.05)  # of a token that is replaced by its runner-up: one that came nearer
BEHIND = 2.0  # nats that a hypothesis may be behind the first one while no fill is whole


@dataclass(frozen=True)
class Search:
    """How many fills are looked for, and how hard."""

    n_best: int
    width: int  # hypotheses that take passes, at most
    # Of a short hole the likeliest fills are looked for, best first. Longer fills are all unlikely, and those that end
    # soon the least so: there hypotheses part at the first token, go to their ends, and are compared per token.
    best_first: bool
    # A branch may end where an end is at least this probable. The likeliest fill of a hole is else often the empty one:
    # every line is less likely than a tenth, and that nothing is missing is not.
    least_end: float = 0.0


class Beam:
    """The hypotheses of one hole."""

    def __init__(
        self,
        first: Hypothesis,
        end_tokens: Sequence[int],
        search: Search,
        fits: Callable[[bytes], bool] = lambda spelled: True,
    ) -> None:
        """`first` is empty. `end_tokens` are the end-of-hole token and the suffix' first one, after which a fill may be
        cut. What a fill that has ended spells and does not fit is none: the search goes on as if it was not there."""
        self.first = first
        self._end_tokens, self._search, self._fits = list(end_tokens), search, cache(fits)
        self._hypotheses = [first]
        self._frontier = Frontier(search.least_end)
        self._begun = 1  # hypotheses that took passes
        self._repaired = set[Hypothesis]()

    def advance(self, hypothesis: Hypothesis, verified: Verified, most: int | None) -> None:
        """Accepts the best token of each position that was verified behind the right ones, from the left; `most` of
        them, or all."""
        if not hypothesis.tokens:
            hypothesis.empty_score = _score([*hypothesis.empty, self._end_tokens[0]], verified)
        accepted = 0
        while not hypothesis.finished and accepted != most and hypothesis.node in verified.log_probs:
            self._accept(hypothesis, verified.log_probs[hypothesis.node])
            accepted += 1
        hypothesis.propose(verified.proposals)

    def active(self) -> list[Hypothesis]:
        """The hypotheses that go on, branches that do so from now on among them."""
        self._repair()
        self._begin_branches()
        bound = self._bound()
        return [hypothesis for hypothesis in self._hypotheses if not hypothesis.finished and hypothesis.score > bound]

    def ranked(self) -> list[Hypothesis]:
        """One finished hypothesis for each text that fits, or of all where none does, its score that of all ways to
        write it; the best first."""
        fills = self._fills() or self._fills(fitting=False)
        for hypothesis, score in fills.items():
            hypothesis.score = score
        return sorted(fills, key=lambda fill: fill.score if self._search.best_first else fill.mean, reverse=True)

    def _accept(self, hypothesis: Hypothesis, log_probs: Tensor) -> None:
        """Decides the leftmost position; what it could have been instead becomes branches."""
        allowed = hypothesis.constrain(hypothesis.tokens, log_probs).log_softmax(-1)
        token = int(allowed.argmax())
        hypothesis.end_log_probs.append(float(log_probs[self._end_tokens].logsumexp(0)))
        if self._search.best_first or not hypothesis.is_past_forced:
            self._frontier.branch(hypothesis, token, allowed, log_probs)
        # Of a line nobody asks for it, and it is looked for among the whole vocabulary.
        runner_up = NOTHING if self._search.best_first else _runner_up(allowed, log_probs)
        place = hypothesis.canvas.leftmost()
        hypothesis.accept(place, token, float(allowed[token]), float(log_probs[token]), runner_up)

    def _repair(self) -> None:
        """Takes up, beside a fill of several lines that has ended and does not fit, the same with the lines under the
        error denoised anew: from the token on, of these and the one before, that was the least certain. Branches of a
        single line part everywhere as it is."""
        if self._search.best_first:
            return
        for hypothesis in self._hypotheses:  # those that are taken up too
            if len(self._repaired) == REPAIRS:
                break
            if hypothesis.ended and hypothesis not in self._repaired and not self._fits(hypothesis.spelled):
                self._repaired.add(hypothesis)
                place = max(_broken(hypothesis, self._fits), key=hypothesis.doubt)
                if hypothesis.doubt(place) > LEAST_DOUBT:
                    self._hypotheses.append(hypothesis.instead(place))

    def _begin_branches(self) -> None:
        """Takes up branches above the bound. One that is finished at once costs no pass."""
        while (branch := self._frontier.pop(self._bound())) is not None:
            if branch.finished and self._search.best_first:
                self._hypotheses.append(branch)
            elif not branch.finished and self._begun < self._search.width:
                self._begun += 1
                self._hypotheses.append(branch)

    def _bound(self) -> float:
        """The pruning bound: the score of the n-th best fill. Scores only fall, so what is not above it is given up.

        Before any fill is whole the bound is BEHIND below the first hypothesis. Of several fills those count that say
        something.
        """
        if not self._search.best_first:
            return -inf
        n_best = self._search.n_best
        scores = [score for fill, score in self._fills().items() if fill.is_past_forced or n_best == 1]
        if not scores:
            return self._hypotheses[0].score - BEHIND
        return sorted(scores, reverse=True)[n_best - 1] if len(scores) >= n_best else -inf

    def _fills(self, fitting: bool = True) -> dict[Hypothesis, float]:
        """The likeliest finished hypothesis of each text, with the log probability of all that came to it: a line's
        end, and what is cut off behind the last line, can be written in many ways."""
        ways: dict[bytes, list[Hypothesis]] = {}
        for hypothesis in self._hypotheses:
            if hypothesis.finished and not (fitting and hypothesis.ended and not self._fits(hypothesis.spelled)):
                ways.setdefault(hypothesis.spelled, []).append(hypothesis)
        best = {max(same, key=lambda hypothesis: hypothesis.score): same for same in ways.values()}
        return {
            first: first.score + log(sum(exp(hypothesis.score - first.score) for hypothesis in same))
            for first, same in best.items()
        }


class Frontier:
    """Branches that no pass has been spent on, the likeliest first. None ends where an end is less probable than
    `least_end`."""

    def __init__(self, least_end: float) -> None:
        self._least_end = least_end
        self._waiting: list[tuple[float, int, Hypothesis]] = []  # a heap of (-score, number, branch)
        self._numbers = count()  # among equals the first one comes first

    def branch(self, hypothesis: Hypothesis, taken: int, allowed: Tensor, log_probs: Tensor) -> None:
        """Remembers what the leftmost position of a hypothesis could be other than the token that is taken.

        `allowed` and `log_probs`, both [vocab], are log probabilities among the tokens that are possible there, and
        among all.
        """
        likeliest = [token for token in allowed.topk(BRANCHES + 1).indices.tolist() if isfinite(allowed[token])]
        grown = {token: hypothesis.grown(token, float(allowed[token]), float(log_probs[token])) for token in likeliest}
        # A line can end in several ways: by the end of the hole, and by tokens that begin with a line end.
        ending = sum(exp(float(allowed[token])) for token, other in grown.items() if other.ended)
        for token, other in grown.items():
            if token != taken and (not other.ended or ending >= self._least_end):
                heappush(self._waiting, (-other.score, next(self._numbers), other))

    def pop(self, bound: float) -> Hypothesis | None:
        """The likeliest branch, if its score is above `bound`."""
        if not self._waiting or -self._waiting[0][0] <= bound:
            return None
        return heappop(self._waiting)[2]


def _runner_up(allowed: Tensor, log_probs: Tensor) -> Choice:
    """The second likeliest token, of log probabilities [vocab] among the tokens that are possible, and among all."""
    token = int(allowed.topk(2).indices[1])
    return Choice(token, float(allowed[token]), float(log_probs[token]))


def _broken(hypothesis: Hypothesis, fits: Callable[[bytes], bool]) -> range:
    """The positions of a fill that does not fit, from the token before the line of the error to the end of that line:
    what stands before it fits."""
    spelled, ends = hypothesis.spelled, hypothesis.token_ends
    lines = [at for at in range(hypothesis.forced + 1, len(spelled)) if spelled[at - 1] == ord("\n")]
    begins = max((at for at in lines if fits(spelled[:at])), default=0)
    first = sum(end <= begins for end in ends)
    if below := [at for at in lines if at > begins]:
        return range(max(0, first - 1), 1 + sum(end < below[0] for end in ends))
    return range(max(0, first - 1), len(hypothesis.runners_up))


def _score(tokens: Sequence[int], verified: Verified) -> float:
    """Log probability of tokens whose nodes were all verified."""
    return sum(float(verified.log_probs[tuple(tokens[:at])][token]) for at, token in enumerate(tokens))
