"""What stands where on a canvas that fills a hole: hole, head of the suffix, end. And how long the hole should be.

The hole's length is unknown and a wrong one is costly, so several are tried for one step each (lengths), the best are
denoised, and the results are ranked by a judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
LEAST_SUFFIX = 16  # tokens of a canvas that are left to the suffix, so that the hole knows where it ends
LEAST_ENTROPY = 1e-6  # nats: a model that is sure of an empty context's text must not divide by 0

Draft = TypeVar("Draft")


@dataclass(frozen=True)
class Layout:
    """A canvas: the hole from position 0 on, then what is given."""

    hole: int
    pinned: tuple[int, ...]

    @property
    def free(self) -> range:
        return range(self.hole)


def lay_out(hole: int, suffix: Sequence[int], ending: Sequence[int], pad: int, canvas_length: int) -> Layout:
    """A hole of `hole` tokens before the suffix. If the suffix ends inside the canvas, `ending` and padding follow it.

    Without a suffix nothing says where the hole ends: all of the canvas is free, and the fill ends itself.
    """
    if not suffix:
        return Layout(canvas_length, ())
    assert 0 < hole < canvas_length, f"a hole of {hole} tokens leaves no suffix on a canvas of {canvas_length}"
    return Layout(hole, behind(hole, suffix, ending, pad, canvas_length))


def behind(hole: int, suffix: Sequence[int], ending: Sequence[int], pad: int, canvas_length: int) -> tuple[int, ...]:
    """What is pinned behind the first `hole` tokens of a canvas: the suffix' head, or all of it, an end and padding."""
    room = canvas_length - hole
    given = [*suffix, *ending][:room]
    return (*given, *[pad] * (room - len(given)))


def lengths(max_tokens: int, canvas_length: int) -> tuple[int, ...]:
    """Lengths worth trying for a hole of at most `max_tokens`, ascending; the longest allowed is among them."""
    longest = max(1, min(max_tokens, canvas_length - min(LEAST_SUFFIX, canvas_length // 2)))
    return (*(length for length in LENGTHS if length < longest), longest)


def best_lengths(entropy: Mapping[int, float], baseline: Mapping[int, float], count: int) -> tuple[int, ...]:
    """The `count` lengths of whose mean entropy in an empty context the least share is left after one step.

    Plain mean entropy would favour certain lengths whatever the text. A difference instead of the share does so as
    well where a model is sure: all entropies are near 0 then, and the baseline decides (docs/LOG.md has the figures).
    Of equals the shorter comes first.
    """
    left = {length: mean / max(baseline[length], LEAST_ENTROPY) for length, mean in entropy.items()}
    return tuple(sorted(left, key=lambda length: (left[length], length))[:count])


@dataclass(frozen=True)
class Ranked(Generic[Draft]):
    draft: Draft
    score: float


def rank(drafts: Sequence[Draft], scores: Sequence[float]) -> list[Ranked[Draft]]:
    """Best score first. Of equals, the one that was drafted first."""
    ranked = [Ranked(draft, score) for draft, score in zip(drafts, scores, strict=True)]
    return sorted(ranked, key=lambda entry: -entry.score)
