"""Surprise: how much less likely the words of a passage became by an edit elsewhere, to a left-to-right model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lacuna.engine.api import Surprise

_WORD = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True)
class ScoredToken:
    """A token of a passage and how likely a model found it."""

    text: bytes
    log_probability: float


def surprises(
    text: str, old: Sequence[ScoredToken], new: Sequence[ScoredToken], threshold: float
) -> tuple[Surprise, ...]:
    """The words of `text` whose likelihood fell by `threshold` or more, from left to right.

    `old` and `new` are the text's tokens; they may be cut differently, and may end before the text does: words that
    are not whole in both are left out.
    """
    found = []
    words = [(match.start(), match.end()) for match in _WORD.finditer(text)]
    for (start, end), then, now in zip(words, _per_word(text, words, old), _per_word(text, words, new), strict=False):
        if then - now >= threshold:
            found.append(Surprise(start, end, then - now, now))
    return tuple(found)


def _per_word(text: str, words: Sequence[tuple[int, int]], tokens: Sequence[ScoredToken]) -> Iterable[float]:
    """Log probability of each word that the tokens cover whole: of the tokens that end in it, or behind it with no
    other word in between."""
    ends = [len(text[:end].encode("utf-8", "replace")) for _, end in words]
    starts = [len(text[:start].encode("utf-8", "replace")) for start, _ in words]
    sums, at, word = [0.0] * len(words), 0, 0
    for token in tokens:
        first = at + len(token.text) - len(token.text.lstrip())  # white space before a word belongs to its token
        at += len(token.text)
        while word < len(words) and ends[word] <= first:
            word += 1
        if word < len(words) and starts[word] < at:
            sums[word] += token.log_probability
    return sums[: sum(end <= at for end in ends)]
