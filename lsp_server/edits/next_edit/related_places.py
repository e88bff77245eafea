"""Where an edit may have to be followed: the same words, the same lists, lines like the one that changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from lacuna.engine.text.languages import Kind
from lacuna.engine.text.syntax import spans
from lacuna.lsp_server.edits.next_edit.argument_lists import list_changes, lists_of
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.followed_lists import Filling, followed
from lacuna.lsp_server.edits.next_edit.same_names import same_names
from lacuna.lsp_server.edits.next_edit.similar_lines import similar_lines

MAX_PASSAGE = 600  # characters of the lines around a place

_KINDS = (Kind.COMMENT, Kind.STRING, Kind.FUNCTION, Kind.PARAMETERS)

_Span = tuple[int, int]


class Relation(Enum):
    """Why a place may no longer fit."""

    SAME_NAME = "the words that were replaced"
    LIST = "a list of arguments or parameters of the same name"
    SIMILAR_LINE = "a line like the one that changed"


@dataclass(frozen=True)
class RelatedPlace:
    """Lines that may no longer fit: what could be changed in them, and how."""

    start: int  # of the first line; offsets are characters of the text
    end: int  # of the last one, without its line end
    holes: tuple[_Span, ...]  # from left to right, apart from each other
    drafts: tuple[tuple[str, ...], ...]  # ways to fill them, one text per hole
    relations: frozenset[Relation] = frozenset()

    @property
    def is_named(self) -> bool:
        """Whether it holds a name of the edit, and is not just a line like the one that changed."""
        return self.relations != {Relation.SIMILAR_LINE}


def related_places(change: Change, text: str, language: str, around: int, own: bool = True) -> list[RelatedPlace]:
    """Places in a text, those that hold a name of the edit first, and of them the nearest to an offset. `own`: it is
    the text that was edited, as it is after that.

    Where parameters of a function change, its calls go before functions like it, which are right hardly ever: of 80
    scripted edits of validation packages 98 of 102 calls, of 291 lines like the definition none.
    """
    quiet = _Quiet(text, language, change if own else None)
    by_line: dict[_Span, list[list[Filling]]] = defaultdict(list)
    relations: dict[_Span, set[Relation]] = defaultdict(set)
    for relation, way in _ways(change, text, language, around, own, quiet):
        if way and not any(quiet.holds(one.start, one.end) for one in way):
            lines = _lines(text, way[0].start, way[-1].end)
            by_line[lines].append(way)
            relations[lines].add(relation)
    places = [
        _place(text, lines, found, frozenset(relations[lines]))
        for lines, found in by_line.items()
        if lines[1] - lines[0] <= MAX_PASSAGE
    ]

    def rank(place: RelatedPlace) -> tuple[bool, int]:
        return not place.is_named, min(abs(place.start - around), abs(place.end - around))

    return sorted(places, key=rank)


def _ways(
    change: Change, text: str, language: str, around: int, own: bool, quiet: _Quiet
) -> Iterator[tuple[Relation, list[Filling]]]:
    """What could be changed together, each on a few lines."""
    for fillings in same_names(change, text, quiet.functions if own else None):
        by_line: dict[_Span, list[Filling]] = defaultdict(list)
        for one in fillings:
            if not quiet.holds(one.start, one.end):
                by_line[_lines(text, one.start, one.end)].append(one)
        yield from ((Relation.SAME_NAME, way) for way in by_line.values())
    overloads: list[_Span] = []
    for changed in list_changes(change, language, quiet.heads if own else None):
        if own or changed.in_definition:
            for other in lists_of(changed.name, text, language, around, quiet.heads):
                yield from ((Relation.LIST, way) for way in followed(changed, text, other))
                if changed.in_definition and other.is_definition:
                    overloads.append((other.start, other.end))
    for way in similar_lines(change, text) if own else ():
        if not any(first <= one.start <= last for one in way for first, last in overloads):
            yield Relation.SIMILAR_LINE, way


class _Quiet:
    """Where nothing is to be changed: in comments, in strings but for a whole one, and where the edit was made."""

    def __init__(self, text: str, language: str, change: Change | None) -> None:
        try:
            found = spans(language, text, _KINDS)
        except LookupError:  # no grammar: nothing is known of the text
            found = {kind: [] for kind in _KINDS}
        self._comments, self._strings = found[Kind.COMMENT], found[Kind.STRING]
        self.heads = frozenset(start + 1 for start, _ in found[Kind.PARAMETERS])
        self.functions = found[Kind.FUNCTION]
        self._edited = [(one.new[0].start, one.new[-1].end) for one in change.replacements if one.new] if change else []

    def holds(self, start: int, end: int) -> bool:
        if any(start <= last and end >= first for first, last in self._edited):
            return True
        if any(first <= start < last for first, last in self._comments):
            return True
        return any(first < start < last or first < end < last for first, last in self._strings)


def _place(text: str, lines: _Span, ways: list[list[Filling]], relations: frozenset[Relation]) -> RelatedPlace:
    """One place for a line, however many ways there are to change it: all have the holes of all."""
    holes = sorted({(one.start, one.end) for way in ways for one in way})
    apart: list[_Span] = []
    for hole in holes:
        if not apart or hole[0] >= apart[-1][1]:
            apart.append(hole)
    fitting = [way for way in ways if all((one.start, one.end) in apart for one in way)]
    drafts = tuple(dict.fromkeys(_texts(text, apart, way) for way in fitting))
    return RelatedPlace(*lines, tuple(apart), drafts, relations)


def _texts(text: str, holes: list[_Span], way: list[Filling]) -> tuple[str, ...]:
    """What stands in the holes after one way to change the line."""
    filled = {(one.start, one.end): one.text for one in way}
    return tuple(filled.get((start, end), text[start:end]) for start, end in holes)


def _lines(text: str, start: int, end: int) -> _Span:
    line_end = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if line_end < 0 else line_end
