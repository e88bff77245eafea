"""What stands where on a canvas that fills a hole: hole, head of the suffix, end. And how long the hole should be.

The hole's length is unknown and a wrong one is costly. So rough `lengths` are tried for one step each, a reranker says
how well each one's likeliest tokens read between prefix and suffix, lengths `near` the best ones are tried as well, and
the best of all are denoised to the end and reranked again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

LENGTHS = (*range(1, 9), 10, 12, 16, 24, 32, 48, 64, 96, 128, 192)
SIZES = (16, 32, 48, 64, 96, 128, 192)  # of canvases, below the model's own: few, as a GPU prepares each
SEEN_SUFFIX = 64  # tokens of it that a canvas has room for behind the longest hole; what is further away is read before
LEAST_SUFFIX = 16  # tokens of a canvas that are left to the suffix, so that the hole knows where it ends

Fill = TypeVar("Fill")


@dataclass(frozen=True)
class Layout:
    """A canvas: the hole from position 0 on, then what is given."""

    hole: int
    pinned: tuple[int, ...]

    @property
    def free(self) -> range:
        return range(self.hole)


def canvas_length(longest: int, given: int, most: int) -> int:
    """Positions of the canvases of a question, whose holes have at most `longest` tokens, and `given` tokens follow:
    a short fill does not pay for all `most` that the model was taught with. How many there are is a choice of whoever
    runs it: positions count on from the prompt, and no weight knows the number."""
    wanted = longest + min(given, SEEN_SUFFIX)
    return min(next((size for size in SIZES if size >= wanted), most), most)


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


def near(best: int, tried: Collection[int]) -> tuple[int, ...]:
    """Lengths halfway from `best` to the next shorter and to the next longer of those tried; none where these touch."""
    ascending = sorted(tried)
    at = ascending.index(best)
    halfway = ((best + other) // 2 for other in (*ascending[max(0, at - 1) : at], *ascending[at + 1 : at + 2]))
    return tuple(length for length in halfway if length not in tried)


def best_lengths(scores: Mapping[int, float], count: int) -> tuple[int, ...]:
    """The `count` lengths of the highest scores, the best first. Of equals the shorter comes first."""
    return tuple(sorted(scores, key=lambda length: (-scores[length], length))[:count])


@dataclass(frozen=True)
class Ranked(Generic[Fill]):
    fill: Fill
    score: float


def rank(fills: Sequence[Fill], scores: Sequence[float]) -> list[Ranked[Fill]]:
    """Best score first. Of equals, the one that was drafted first."""
    ranked = [Ranked(fill, score) for fill, score in zip(fills, scores, strict=True)]
    return sorted(ranked, key=lambda entry: -entry.score)
