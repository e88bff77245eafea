"""An answer as it comes: what of it goes into the hole, and whether more is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from lacuna.engine.api import Features
from lacuna.engine.families.remote.dialects.dialect import Piece

# By hand, without data: a mean of -0.25 and a least of -2.5 nats are a confidence of 0.4, from which on fills are shown
# unasked, and certainty is one of 0.9.
_CERTAIN, _MEAN, _LEAST = 2.2, 6.0, 0.45
UNKNOWN_ENDED, UNKNOWN_CUT = 0.5, 0.3  # where the server gives no log probabilities
_SAME_LINE = 4  # characters of a line that repeats the suffix's first one


class Answer:
    """Text so far."""

    def __init__(self, stops: Sequence[str] = (), suffix: str = "", max_lines: int = 0) -> None:
        """`suffix` stands behind the hole: where the answer begins to repeat its first line, the hole has ended.
        `max_lines`: line ends after which it is long enough; 0 for no such limit."""
        self._stops, self._max_lines = stops, max_lines
        line = next((line for line in suffix.split("\n")[1:] if line.strip()), "")
        self._repeats = f"\n{line}" if len(line.strip()) >= _SAME_LINE else ""
        self._raw = ""
        self._tokens: list[tuple[int, float]] = []  # where each begins, and its log probability
        self._end: int | None = None
        self._model_ended = False
        self.steps = 0

    def add(self, piece: Piece) -> bool:
        """Whether more is wanted."""
        self.steps += 1
        self._tokens += [(len(self._raw), one) for one in piece.log_probabilities]
        self._raw += piece.text
        self._model_ended = self._model_ended or piece.ended
        self._end = self._found_end()
        return self._end is None and not piece.ended and not piece.cut

    @property
    def text(self) -> str:
        return self._raw if self._end is None else self._raw[: self._end]

    @property
    def ended(self) -> bool:
        """By the model, or where it went on with what stands behind the hole; not because there was no more room."""
        return self._model_ended or self._end is not None

    @property
    def features(self) -> Features:
        """Of the tokens that are part of the text. There is no score of the empty fill."""
        known = [one for start, one in self._tokens if start < max(1, len(self.text))]
        mean, least = (sum(known) / len(known), min(known)) if known else (0.0, 0.0)
        return Features(mean, least, sum(known), 0.0, max(len(known), self.steps), self.ended)

    @property
    def confidence(self) -> float:
        if not self._tokens:
            return UNKNOWN_ENDED if self.ended else UNKNOWN_CUT
        features = self.features
        return 1 / (1 + exp(-(_CERTAIN + _MEAN * features.mean + _LEAST * features.least)))

    @property
    def pieces(self) -> tuple[tuple[str, float], ...]:
        """Text and log probability per token; none where these are not told one by one."""
        starts = [start for start, _ in self._tokens if start < len(self.text)]
        if not starts or starts[0] != 0 or len(set(starts)) != len(starts):
            return ()
        ends = [*starts[1:], len(self.text)]
        probabilities = [one for start, one in self._tokens if start < len(self.text)]
        return tuple((self.text[a:b], one) for a, b, one in zip(starts, ends, probabilities, strict=True))

    def _found_end(self) -> int | None:
        ends = [at for stop in self._stops if (at := self._raw.find(stop)) >= 0]
        if self._repeats and (at := self._raw.find(self._repeats)) >= 0:
            behind = self._raw[at + len(self._repeats) :]
            if behind.startswith("\n") or (not behind and self._model_ended):
                ends.append(at)
        if self._max_lines:
            line_ends = [at for at, character in enumerate(self._raw) if character == "\n"]
            ends += line_ends[self._max_lines - 1 : self._max_lines]
        return min(ends, default=None)
