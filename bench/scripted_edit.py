"""A scripted edit: what a person changed at one place, what should follow, and whether an offer is just that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

TOGETHER = 4  # follow-ups that one offer may make at once


@dataclass(frozen=True)
class Change:
    """Text that replaces what stands between two offsets."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class FollowUp:
    """What should change as well, in the text after the edit; all of the changes at once, in one of several ways."""

    ways: tuple[tuple[Change, ...], ...]


@dataclass(frozen=True)
class ScriptedEdit:
    kind: str
    before: str
    edit: Change  # of `before`
    follow_ups: tuple[FollowUp, ...]  # none where nothing should follow

    @property
    def after(self) -> str:
        return applied(self.before, [self.edit])


def applied(text: str, changes: Sequence[Change]) -> str:
    """The text with changes that do not overlap."""
    for change in sorted(changes, key=lambda change: change.start, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def followed(edit: ScriptedEdit, offer: Sequence[Change]) -> ScriptedEdit | None:
    """What is left to follow once an offer is taken; None where it does anything but what should follow."""
    offered = applied(edit.after, offer)
    if offered == edit.after:
        return None
    start, end = min(change.start for change in offer), max(change.end for change in offer)
    touched = [follow for follow in edit.follow_ups if any(_touches(way, start, end) for way in follow.ways)]
    for count in range(1, min(len(touched), TOGETHER) + 1):
        for chosen in combinations(touched, count):
            for ways in product(*(follow.ways for follow in chosen)):
                done = [change for way in ways for change in way]
                if applied(edit.after, done) == offered:
                    left = [follow for follow in edit.follow_ups if follow not in chosen]
                    return ScriptedEdit(edit.kind, offered, Change(0, 0, ""), tuple(_moved(f, done) for f in left))
    return None


def _touches(way: Sequence[Change], start: int, end: int) -> bool:
    return any(change.start <= end and start <= change.end for change in way)


def _moved(follow: FollowUp, done: Sequence[Change]) -> FollowUp:
    """A follow-up in the text that other changes have made."""

    def moved(change: Change) -> Change:
        by = sum(len(other.text) - (other.end - other.start) for other in done if other.end <= change.start)
        return Change(change.start + by, change.end + by, change.text)

    return FollowUp(tuple(tuple(moved(change) for change in way) for way in follow.ways))
