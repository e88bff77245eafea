"""A lane: one draft of a fill under way, its canvas and what its tokens spell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.canvas import Canvas
from engine.gap import Frame
from engine.seams import Seam
from engine.tokenizer import Tokenizer


class Lane:
    """Tokens are decided from the left; the hole ends only where everything left of its end is decided.

    `hints` are a copied draft's tokens, tried before the denoiser's own as long as all that was decided agrees with
    them. A lane that `copies` takes them if they are at all possible, for the judge to compare, or is given up.
    """

    def __init__(
        self,
        length: int,
        seam: Seam,
        tokenizer: Tokenizer,
        max_lines: int,
        end: int,
        hints: Sequence[int] = (),
        copies: bool = False,
    ) -> None:
        self.canvas = Canvas(length)
        self.ended = False  # by the end token, or by the last line that was asked for
        self.given_up = False
        self.copies = copies
        self.log_probabilities: list[float] = []  # per decided token, and the end token if there is one: the sampler's
        self.canvas_log_probabilities: list[float] = []  # the same by the canvas alone
        # [vocab]: the base's log probabilities at the leftmost position, while it has read all that stands before it.
        self.base_row: Tensor | None = None
        self._seam = seam
        self._tokenizer = tokenizer
        self._max_lines = max_lines
        self._end = end
        self._hints = list(hints)
        self._fresh: set[int] = set()  # positions decided in this step

    @property
    def finished(self) -> bool:
        return self.ended or self.given_up or self.canvas.leftmost() == len(self.canvas)

    @property
    def tokens(self) -> list[int]:
        """The fill so far, the stub's tokens included, its end left out."""
        return self.canvas.decided()

    @property
    def spelled(self) -> bytes:
        """What the fill spells, cut at the last line that was asked for."""
        text = self._tokenizer.decode(self.tokens)
        cut = self._line_end(text)
        return text if cut is None else text[:cut]

    @property
    def free(self) -> bool:
        """Whether more than the required bytes is spelled: what follows is the lane's own."""
        return len(self._tokenizer.decode(self.tokens)) > len(self._seam.required)

    def closed_by(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens hold the end of the last line that was asked for."""
        return self._line_end(self._tokenizer.decode(tokens)) is not None

    def hint(self, position: int) -> int | None:
        """The copied token for a position, while the copy holds."""
        decided = self.tokens
        return self._hints[position] if decided == self._hints[: len(decided)] and position < len(self._hints) else None

    def constrain(self, tokens: Sequence[int], scores: Tensor) -> Tensor:
        """Scores [vocab] for the token after `tokens`: what cannot spell the stub, or ends the hole too early, is
        out."""
        spelled = self._tokenizer.decode(tokens)
        rest = self._seam.required[len(spelled) :]
        if not rest:
            return scores
        ends = [self._end] if self._seam.may_end(spelled) else []
        possible = [*self._tokenizer.spelling(rest), *ends]
        allowed = torch.tensor(possible, device=scores.device)
        return torch.full_like(scores, -torch.inf).index_copy_(0, allowed, scores[allowed])

    def accept(self, position: int, token: int, log_probability: float, canvas_log_probability: float) -> None:
        """Decides the leftmost position; the end token ends the hole there."""
        assert position == self.canvas.leftmost() and not self.ended, "lanes are decided from the left"
        self.log_probabilities.append(log_probability)
        self.canvas_log_probabilities.append(canvas_log_probability)
        if token == self._end:
            self.ended = True
            return
        self.canvas.accept(position, token)
        self._fresh.add(position)
        self.ended = self.closed_by(self.tokens)

    def frame(self, step: int) -> Frame:
        """The canvas as text; what spells the required bytes again is left out, as it stands in the file already."""
        skip = len(self._seam.required)
        cells: list[tuple[str | None, bool]] = []
        for at in range(len(self.canvas)):
            token = self.canvas.token(at)
            if token is None:
                cells.append((None, False))
                continue
            spelled = self._tokenizer.decode([token])
            cells.append((spelled[skip:].decode("utf-8", "replace"), at in self._fresh))
            skip = max(0, skip - len(spelled))
        self._fresh.clear()
        return Frame(step, tuple(cells))

    def _line_end(self, text: bytes) -> int | None:
        """Where the last line asked for ends, if it does."""
        if not self._max_lines:
            return None
        at = len(self._seam.required) - 1
        for _ in range(self._max_lines):
            at = text.find(b"\n", at + 1)
            if at < 0:
                return None
        return at
