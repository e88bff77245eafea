"""What a change of one list of a name means for another one: its arguments, or the parameters that take them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lacuna.lsp_server.edits.next_edit.argument_lists import ArgumentList, ListChange, Span, texts_of
from lacuna.lsp_server.edits.next_edit.other_values import kind_of
from lacuna.lsp_server.edits.next_edit.parameters import parameters, receivers, same_parameters
from lacuna.lsp_server.edits.next_edit.tokens import tokens

_NAME = re.compile(r"[^\W\d]\w*")
_NAMED = re.compile(r"\w+\s*=(?!=)|\*\*")  # an argument of Python behind which all are named


@dataclass(frozen=True)
class Filling:
    """A hole in another list, and what could go there."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class _Aligned:
    """A change, and another list whose items each stand for one of those before it."""

    change: ListChange
    other: ArgumentList
    text: str
    old: tuple[str, ...]  # arguments, or what parameters are known by
    new: tuple[str, ...]
    items: tuple[Span, ...]  # of the other list; as many as `old`

    @property
    def named(self) -> int:
        """How many of the items stand before those that are found by their names."""
        return next((at for at, one in enumerate(self.items) if self.is_named(self.said(one))), len(self.items))

    @property
    def by_place(self) -> int:
        """How many arguments the other list has that are found by their places."""
        behind = (one for one in self.other.items if not self.items or one.start >= self.items[0].start)
        return sum(not self.is_named(self.said(one)) for one in behind)

    def said(self, one: Span) -> str:
        return self.text[one.start : one.end]

    def is_named(self, item: str) -> bool:
        """Whether an argument is found by its name and not by its place, as all behind it are."""
        return self.change.language == "python" and _NAMED.match(item) is not None


def followed(change: ListChange, text: str, other: ArgumentList) -> list[list[Filling]]:
    """In how many ways another list could follow a change; each way is its holes from left to right. A definition
    follows another one only where both had the same parameters: an overload has its own."""
    both = _aligned(change, text, other)
    if both is None:
        return []
    if sorted(both.old) == sorted(both.new):
        return [_reordered(both)] if both.old[both.named :] == both.new[both.named :] else []
    if len(both.new) == len(both.old) + 1:
        return _added(both)
    if len(both.new) == len(both.old) - 1:
        return _removed(both)
    return []


def _aligned(change: ListChange, text: str, other: ArgumentList) -> _Aligned | None:
    """None where they do not fit together."""
    items, texts, language = other.items, texts_of(text, other), change.language
    old, new = change.old, change.new
    if change.in_definition and other.is_definition:
        if not same_parameters(old, texts, language):
            return None
        old, new = old[receivers(old, language) :], new[receivers(new, language) :]
        items = items[receivers(texts, language) :]
    elif change.in_definition:
        return _of_call(change, text, other)
    elif other.is_definition:
        items = tuple(other.items[one.index] for one in parameters(texts, language))
        if not items and len(other.items) > receivers(texts, language):
            return None  # C's `void`
    return _Aligned(change, other, text, old, new, items) if len(old) == len(items) else None


def _of_call(change: ListChange, text: str, call: ArgumentList) -> _Aligned | None:
    """What a definition's change means for a call."""
    before, after = parameters(change.old, change.language), parameters(change.new, change.language)
    is_method, items = receivers(change.old, change.language), call.items
    if is_method != receivers(change.new, change.language):
        return None
    fixed = list(before)
    while fixed and fixed[-1].is_rest:
        fixed.pop()
    rest = {one.key for one in before[len(fixed) :]}
    if is_method and receivers(texts_of(text, call), change.language) and len(items) == len(fixed) + 1:
        items = items[1:]  # of a method that is called on its class
    if rest and not any(one.is_rest for one in fixed):
        items = items[: len(fixed)]
    old, new = tuple(one.key for one in fixed), tuple(one.key for one in after if one.key not in rest)
    return _Aligned(change, call, text, old, new, items) if len(old) == len(items) else None


def _reordered(both: _Aligned) -> list[Filling]:
    order = [both.old.index(one) for one in both.new]
    moved = [(one, both.items[order[at]]) for at, one in enumerate(both.items) if order[at] != at]
    return [Filling(one.start, one.end, both.said(other)) for one, other in moved]


def _added(both: _Aligned) -> list[list[Filling]]:
    old, new, items, other = both.old, both.new, both.items, both.other
    at = next((at for at, one in enumerate(old) if new[at] != one), len(old))
    if new[:at] != old[:at] or new[at + 1 :] != old[at:]:
        return []
    ways = _ways(both, at)
    if at < len(items):
        # Of a definition the place behind the one before it: what divides the list stands on the right of that.
        if at and other.is_definition:
            return [[Filling(items[at - 1].end, items[at - 1].end, f", {way}")] for way in ways]
        return [[Filling(items[at].start, items[at].start, f"{way}, ")] for way in ways]
    if not other.items:
        return [[Filling(other.start, other.start, way)] for way in ways]
    # By place it goes before what other parameters take, by name behind all.
    ends = [items[-1].end if items and not both.is_named(way) else other.items[-1].end for way in ways]
    return [[Filling(end, end, f", {way}")] for end, way in zip(ends, ways, strict=True)]


def _ways(both: _Aligned, at: int) -> list[str]:
    """What one more item could be in another list, behind so many others."""
    change, added, is_definition = both.change, both.new[at], both.other.is_definition
    if is_definition and change.in_definition:
        return [added]
    if not is_definition and not change.in_definition:
        return [added] if (at <= both.named or both.is_named(added)) and not _is_of_others(both, added) else []
    if not change.in_definition:
        return _NAME.findall(added)[-1:]
    one = next(one for one in parameters(change.new, change.language) if one.key == added)
    if one.is_optional or not one.name:
        return []  # what has a default need not be given
    if change.language != "python":
        return [one.name]
    can_be_named = one.only_by_name or (both.by_place <= at and not one.only_by_place)
    can_be_placed = at <= both.named and not one.only_by_name
    return [one.name] * can_be_placed + [f"{one.name}={one.name}"] * can_be_named


def _is_of_others(both: _Aligned, added: str) -> bool:
    """Whether literals are all that is given to both calls, of the kind of what was added, and not the same ones."""
    mine, theirs = set(both.old), {both.said(one) for one in both.items}
    said = [tokens(one) for one in (added, *mine, *theirs)]
    kinds = {kind_of(one[0]) if len(one) == 1 else "" for one in said}
    return len(both.old) > 1 and mine != theirs and len(kinds) == 1 and "" not in kinds


def _removed(both: _Aligned) -> list[list[Filling]]:
    old, new, items = both.old, both.new, both.items
    at = next((at for at, one in enumerate(new) if old[at] != one), len(new))
    if old[:at] != new[:at] or old[at + 1 :] != new[at:]:
        return []
    if at >= both.named and _NAME.findall(both.said(items[at]))[:1] != _NAME.findall(old[at])[:1]:
        return []
    following = next((one.start for one in both.other.items if one.start > items[at].start), None)
    if following is not None:
        return [[Filling(items[at].start, following, "")]]
    start = items[at - 1].end if at else items[at].start
    return [[Filling(start, items[at].end, "")]]
