"""A hypothesis of the search: a fill under way, its canvas and what its tokens spell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from math import inf

import torch
from torch import Tensor

from lacuna.engine.api import Frame
from lacuna.engine.families.gap.decoding.canvas import Canvas
from lacuna.engine.families.gap.decoding.tree_attention import Node
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary


@dataclass(frozen=True)
class Choice:
    """A token that is possible somewhere, with its log probability among those that are, and among all."""

    token: int
    log_probability: float
    score: float


NOTHING = Choice(0, -inf, -inf)


class Hypothesis:
    """Tokens are decided from the left; the hole ends only where everything left of its end is decided."""

    def __init__(
        self,
        length: int,
        boundary: Boundary,
        tokenizer: Tokenizer,
        max_lines: int,
        end: int,
    ) -> None:
        self.canvas = Canvas(length)
        self.ended = False  # by the end token, or by the last line that was asked for
        # Per decided token, and the end token if there is one: log probability among the tokens that were possible.
        self.log_probabilities: list[float] = []
        self.scores: list[float] = []  # the same among all tokens
        self.end_log_probs: list[float] = []  # per position, of the end or the suffix' first token there
        self.runners_up: list[Choice] = []  # per position, what it would have been else, where that may be asked for
        self.score = 0.0  # the sum of `scores`: log probability of all that was decided, its end included
        self.empty_score = 0.0  # the same of the empty fill
        self.proposals: dict[int, Tensor] = {}  # by masked position, the log probabilities [vocab] predicted for it
        self._boundary = boundary
        self._tokenizer = tokenizer
        self._max_lines = max_lines
        self._end = end
        # The tokens of the empty fill.
        self.empty: Node = tuple(tokenizer.encode(boundary.healing_prefix.decode("utf-8", "replace")))
        self._fresh: set[int] = set()  # positions decided in this step

    def copy(self) -> Hypothesis:
        """Another hypothesis that has decided the same."""
        other = copy(self)
        other.canvas = self.canvas.copy()
        other.log_probabilities, other.scores = list(self.log_probabilities), list(self.scores)
        other.end_log_probs = list(self.end_log_probs)
        other.runners_up = list(self.runners_up)
        other.proposals = dict(self.proposals)
        other._fresh = set(self._fresh)
        return other

    def grown(self, token: int, log_probability: float, score: float) -> Hypothesis:
        """Another hypothesis that has decided one position more; see `accept`."""
        other = self.copy()
        other.accept(other.canvas.leftmost(), token, log_probability, score)
        return other

    def cut(self, count: int) -> Hypothesis:
        """Another hypothesis that ends after the first `count` tokens."""
        other = self.copy()
        other.canvas = Canvas(len(self.canvas), dict(enumerate(self.tokens[:count])))
        ending = self.end_log_probs[count]
        other.log_probabilities = [*self.log_probabilities[:count], ending]
        other.scores = [*self.scores[:count], ending]
        other.score, other.ended = sum(other.scores), True
        return other

    def instead(self, position: int) -> Hypothesis:
        """Another hypothesis that has decided the same up to a position, and there the runner-up."""
        other = self.copy()
        other.canvas = Canvas(len(self.canvas), dict(enumerate(self.tokens[:position])))
        other.log_probabilities, other.scores = self.log_probabilities[:position], self.scores[:position]
        other.score, other.ended, other.proposals = sum(other.scores), False, {}
        other.end_log_probs = self.end_log_probs[: position + 1]
        other.runners_up = self.runners_up[:position]
        chosen = self.runners_up[position]
        other.accept(position, chosen.token, chosen.log_probability, chosen.score)
        return other

    def doubt(self, position: int) -> float:
        """How near the runner-up of a decided position came: its log probability less that of what was taken."""
        return self.runners_up[position].log_probability - self.log_probabilities[position]

    def may_end(self, count: int) -> bool:
        """Whether the hole may end after the first `count` tokens."""
        return self._boundary.may_end(self._tokenizer.decode(self.tokens[:count]))

    @property
    def finished(self) -> bool:
        return self.ended or self.canvas.leftmost() == len(self.canvas)

    @property
    def tokens(self) -> list[int]:
        """The fill so far, the healing prefix's tokens included, its end left out."""
        return self.canvas.decided()

    @property
    def node(self) -> Node:
        """Where in the draft tree this hypothesis has got to."""
        return tuple(self.tokens)

    @property
    def spelled(self) -> bytes:
        """What the fill spells, cut at the last line that was asked for."""
        text = self._tokenizer.decode(self.tokens)
        cut = self._line_end(text)
        return text if cut is None else text[:cut]

    @property
    def token_ends(self) -> list[int]:
        """Where in what is spelled each token ends."""
        return list(accumulate(len(self._tokenizer.decode([token])) for token in self.tokens))

    @property
    def forced(self) -> int:
        """How many bytes stand in the file already."""
        return len(self._boundary.forced)

    @property
    def is_past_forced(self) -> bool:
        """Whether more than the forced bytes is spelled: what follows is the model's own choice."""
        return len(self._tokenizer.decode(self.tokens)) > self.forced

    @property
    def mean(self) -> float:
        """Log probability per token."""
        return self.score / max(1, len(self.log_probabilities))

    def closed_by(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens hold the end of the last line that was asked for."""
        return self._line_end(self._tokenizer.decode(tokens)) is not None

    def open(self, tokens: Sequence[int]) -> bool:
        """Whether anything could follow these tokens."""
        return len(tokens) < len(self.canvas) and not self.closed_by(tokens)

    def possible(self, tokens: Sequence[int]) -> list[int] | None:
        """The tokens that may follow `tokens`: those that spell the healing prefix, and the end where it may be; None
        for any."""
        spelled = self._tokenizer.decode(tokens)
        rest = self._boundary.forced[len(spelled) :]
        if not rest:
            return None
        return [*self._tokenizer.spelling(rest), *([self._end] if self._boundary.may_end(spelled) else [])]

    def constrain(self, tokens: Sequence[int], scores: Tensor) -> Tensor:
        """Scores [vocab] for the token after `tokens`: what is not possible is out."""
        possible = self.possible(tokens)
        if possible is None:
            return scores
        allowed = torch.tensor(possible, device=scores.device)
        return torch.full_like(scores, -torch.inf).index_copy_(0, allowed, scores[allowed])

    def propose(self, proposals: Mapping[Node, Tensor]) -> None:
        """Takes over a pass' predictions, [positions, vocab] by the node that they stand behind, where that is a
        beginning of this hypothesis. The more of it they have seen, the better they know."""
        for node in sorted(proposals, key=len):
            if self.node[: len(node)] == node:
                self.proposals |= dict(enumerate(proposals[node], len(node) + 1))
        self.proposals = {at: proposal for at, proposal in self.proposals.items() if at >= len(self.tokens)}

    def accept(
        self, position: int, token: int, log_probability: float, score: float, runner_up: Choice = NOTHING
    ) -> None:
        """Decides the leftmost position; the end token ends the hole there. `log_probability` is among the tokens that
        were possible, `score` among all."""
        assert position == self.canvas.leftmost() and not self.ended, "hypotheses are decided from the left"
        self.log_probabilities.append(log_probability)
        self.scores.append(score)
        self.runners_up.append(runner_up)
        self.score += score
        if token == self._end:
            self.ended = True
            return
        self.canvas.accept(position, token)
        self._fresh.add(position)
        self.ended = self.closed_by(self.tokens)

    def frame(self, step: int) -> Frame:
        """The canvas as text. The forced bytes are left out, as they stand in the file already, and so is what stands
        behind the last line that was asked for."""
        skip, room = self.forced, len(self.spelled)
        cells: list[tuple[str | None, bool]] = []
        for at in range(len(self.canvas)):
            token = self.canvas.token(at)
            if token is None:
                cells.append((None, False))
                continue
            spelled = self._tokenizer.decode([token])[:room]
            cells.append((spelled[skip:].decode("utf-8", "replace"), at in self._fresh))
            skip, room = max(0, skip - len(spelled)), room - len(spelled)
        self._fresh.clear()
        return Frame(step, tuple(cells))

    def _line_end(self, text: bytes) -> int | None:
        """Where the last line asked for ends, if it does."""
        if not self._max_lines:
            return None
        at = self.forced - 1
        for _ in range(self._max_lines):
            at = text.find(b"\n", at + 1)
            if at < 0:
                return None
        return at
