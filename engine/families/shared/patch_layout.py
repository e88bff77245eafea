"""What stands where on a canvas with several holes, and how long the holes should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Lengths = tuple[int, ...]  # tokens per hole

CANVASES = 9  # layouts tried for one patch


@dataclass(frozen=True)
class Span:
    """A hole on the canvas."""

    positions: range
    healing_prefix: bytes  # stands left of the hole in the text, and is spelled by its first tokens


@dataclass(frozen=True)
class Layout:
    """Holes and pinned tokens from position 0 on; what is behind them is for whoever knows how a canvas ends."""

    holes: tuple[Span, ...]
    pins: dict[int, int]  # token by position
    length: int


@dataclass(frozen=True)
class Segments:
    """A patch in tokens, before the lengths of its holes are chosen."""

    healing_prefixes: tuple[bytes, ...]  # per hole
    pinned: tuple[tuple[int, ...], ...]  # tokens between one hole and the next one's healing prefix
    now: Lengths  # tokens of healing prefix and present text
    least: Lengths  # tokens that the healing prefix alone takes

    def lay_out(self, lengths: Lengths) -> Layout:
        holes: list[Span] = []
        pins: dict[int, int] = {}
        at = 0
        for number, length in enumerate(lengths):
            holes.append(Span(range(at, at + length), self.healing_prefixes[number]))
            at += length
            if number < len(self.pinned):
                pins.update(enumerate(self.pinned[number], at))
                at += len(self.pinned[number])
        return Layout(tuple(holes), pins, at)


def lengths(holes: Sequence[str], segments: Segments, length_slack: int, room: int) -> list[Lengths]:
    """Lengths worth trying, those nearest to the present ones first; all tokens together are at most `room`.

    Holes of the same text change by the same number of tokens. Holes of different texts change together, or one alone:
    trying every combination would take too many canvases.
    """
    room -= sum(map(len, segments.pinned))
    if sum(segments.least) > room:
        return []
    groups = list(dict.fromkeys(holes))
    length_slack = min(length_slack, room)
    found: dict[Lengths, None] = {}
    for change in sorted(range(-length_slack, length_slack + 1), key=lambda change: (abs(change), -change)):
        for changed in [groups, *([group] for group in groups)]:
            tried = [now + change * (hole in changed) for hole, now in zip(holes, segments.now, strict=True)]
            total, enough = sum(tried), all(a >= b for a, b in zip(tried, segments.least, strict=True))
            if enough and 0 < total <= room:
                found[tuple(tried)] = None
            if len(found) == CANVASES:
                return list(found)
    return list(found)
