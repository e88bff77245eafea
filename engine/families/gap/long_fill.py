"""A fill of one canvas or of several, one after the other: its text by token, and the features of its own tokens."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lacuna.engine.api import Features
from lacuna.engine.families.gap.decoding.hypothesis import Hypothesis
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.token_healing import Boundary


@dataclass(frozen=True)
class Part:
    """What one canvas added to a fill."""

    hypothesis: Hypothesis
    boundary: Boundary
    kept: int | None = None  # tokens that are left of it; None for all
    spelled_kept: int | None = None  # bytes that these spell for the answer

    @property
    def spelled(self) -> bytes:
        return self.hypothesis.spelled[: self.spelled_kept]

    @property
    def tokens(self) -> list[int]:
        return self.hypothesis.tokens[: self.kept]

    @property
    def log_probabilities(self) -> list[float]:
        """Per token, and of the end where there is one."""
        return self.hypothesis.log_probabilities[: self.kept]

    @property
    def score(self) -> float:
        return self.hypothesis.score if self.kept is None else sum(self.hypothesis.scores[: self.kept])

    @property
    def ended(self) -> bool:
        return self.kept is None and self.hypothesis.ended


def tokens(parts: Sequence[Part]) -> list[int]:
    return [token for part in parts for token in part.tokens]


def spelled(parts: Sequence[Part]) -> bytes:
    return b"".join(part.spelled for part in parts)


def lines(parts: Sequence[Part]) -> int:
    """Line ends in the answer so far."""
    return spelled(parts)[len(parts[0].boundary.forced) :].count(b"\n")


def features(parts: Sequence[Part]) -> Features:
    logs = [value for part in parts for value in part.log_probabilities]
    return Features(
        mean=sum(logs) / len(logs),
        least=min(logs),
        score=sum(part.score for part in parts),
        score_empty=parts[0].hypothesis.empty_score,
        tokens=len(tokens(parts)),
        ended=parts[-1].ended,
    )


def pieces(parts: Sequence[Part], most: int, tokenizer: Tokenizer) -> list[tuple[str, float]]:
    """The answer's text per token, of `most` tokens; what spells the healing prefix, or stands after the cut, is left
    out."""
    boundary = parts[0].boundary
    skip = len(boundary.forced)
    found: list[tuple[str, float]] = []
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")  # a canvas' edge may cut a character
    for part in parts:
        room = len(part.spelled)
        for token, value in zip(part.tokens, part.log_probabilities, strict=False):
            decoded = tokenizer.decode([token])[:room]
            room -= len(decoded)
            piece, skip = decoder.decode(decoded[skip:]), max(0, skip - len(decoded))
            if piece and len(found) < most:
                found.append((piece, value))
    return [*found, ("\n", 0.0)] if boundary.newline and found else found


def whole_lines(parts: Sequence[Part], tokenizer: Tokenizer) -> list[Part]:
    """A fill that has ended as it is; of any other one the lines that have, none where that is no text."""
    if parts[-1].ended:
        return list(parts)
    text, required = spelled(parts), len(parts[0].boundary.forced)
    room = text.rfind(b"\n", required)
    if not text[required : max(required, room)].strip():
        return []
    found: list[Part] = []
    for part in parts:
        if room > 0:
            found.append(_cut(part, room, tokenizer))
        room -= len(part.spelled)
    return found


def _cut(part: Part, room: int, tokenizer: Tokenizer) -> Part:
    """What of a part spells its first `room` bytes."""
    if room >= len(part.spelled):
        return part
    count, at = 0, 0
    while at < room:
        at += len(tokenizer.decode([part.tokens[count]]))
        count += 1
    return replace(part, kept=count, spelled_kept=room)
