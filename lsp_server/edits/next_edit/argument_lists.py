"""Lists in parentheses behind a name: what changed in one, and what that means for another one of the same name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.lexing.bracket_scan import scan

MAX_CHARS = 1000  # of a list
SHORT = 100  # characters, in which most lists end
MOST = 200  # lists of one name, the nearest: to read one takes up to 4 ms
_LIST = re.compile(r"([^\W\d]\w*)\s*\(")
_RECEIVER = re.compile(r"(self|cls|this|&?\s*mut self|&?self)\b")
_TYPE_FIRST = ("c", "cpp", "csharp", "java")
_NAME = re.compile(r"[^\W\d]\w*")
_NAMED = re.compile(r"\w+\s*=(?!=)|\*\*")  # an argument of Python behind which all are named
_DEFINING = re.compile(r"\b(def|fn|func|function|sub|void|int|static|public|private|fun)\s+(\w+\s+)*$")
# Words that stand before parentheses and call nothing.
_NO_NAMES = frozenset({
    "and", "assert", "await", "case", "catch", "elif", "else", "except", "for", "foreach", "if", "in", "is", "lambda",
    "not", "or", "raise", "return", "switch", "throw", "unless", "until", "while", "with", "yield",
})  # fmt: skip


@dataclass(frozen=True)
class Span:
    start: int
    end: int


@dataclass(frozen=True)
class ArgumentList:
    """The list between `start` and `end`, its parentheses left out, and what stands between its commas."""

    name: str
    start: int
    end: int
    items: tuple[Span, ...]
    is_definition: bool


@dataclass(frozen=True)
class ListChange:
    """One list of a name before and after an edit."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    in_definition: bool
    language: str


@dataclass(frozen=True)
class Filling:
    """A hole in another list, and what could go there."""

    start: int
    end: int
    text: str


def list_changes(change: Change, language: str) -> Iterator[ListChange]:
    """The lists of which an edit changed the number or the order of what is in them; they may begin lines above."""
    if not change.old or not change.new:
        return
    olds = _on_lines(change.before, change.old[0].start, change.old[-1].end, language)
    news = _on_lines(change.after, change.new[0].start, change.new[-1].end, language)
    for old, new in zip(olds, news, strict=False):
        items, now = _texts(change.before, old), _texts(change.after, new)
        if old.name == new.name and items != now and (len(items) != len(now) or sorted(items) == sorted(now)):
            yield ListChange(old.name, items, now, new.is_definition, language)


def lists_of(name: str, text: str, language: str, around: int) -> Iterator[ArgumentList]:
    """The argument lists of a name that are the nearest to an offset, from left to right."""
    found = [match for match in _LIST.finditer(text) if match[1] == name]
    nearest = sorted(found, key=lambda match: abs(match.start() - around))[:MOST]
    return _read(text, sorted(nearest, key=lambda match: match.start()), language)


def _on_lines(text: str, start: int, end: int, language: str) -> list[ArgumentList]:
    """The lists that reach into some lines."""
    found = _LIST.finditer(text, max(0, start - MAX_CHARS), end)
    return [one for one in _read(text, found, language) if one.end >= start]


def _read(text: str, found: Iterable[re.Match[str]], language: str) -> Iterator[ArgumentList]:
    """The lists that begin at matches of _LIST."""
    for match in found:
        read = None if match[1] in _NO_NAMES else _list_at(text, match.end(), language)
        if read is not None:
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            yield ArgumentList(match[1], match.end(), read[0], read[1], bool(_DEFINING.search(line)))


def followed(change: ListChange, text: str, other: ArgumentList) -> list[list[Filling]]:
    """In how many ways another list could follow a change; each way is its holes from left to right."""
    shift = _receiver(change.old) * change.in_definition - _receiver(_texts(text, other)) * other.is_definition
    items = [Span(one.start, one.end) for one in other.items]
    old, new = change.old[max(shift, 0) :], change.new[max(shift, 0) :]
    offset = max(-shift, 0)
    if len(old) != len(items) - offset:
        return []
    items = items[offset:]
    texts = [text[one.start : one.end] for one in items]
    named = next((at for at, one in enumerate(texts) if _is_named(one, change)), len(items))
    if sorted(old) == sorted(new):
        return [_reordered(old, new, texts, items)] if list(old[named:]) == list(new[named:]) else []
    if len(new) == len(old) + 1:
        return _added(change, old, new, other, items, named)
    if len(new) == len(old) - 1:
        return _removed(old, new, texts, items, named)
    return []


def _is_named(item: str, change: ListChange) -> bool:
    """Whether an argument is found by its name and not by its place, as all behind it are."""
    return change.language == "python" and _NAMED.match(item) is not None


def _reordered(old: Sequence[str], new: Sequence[str], texts: Sequence[str], items: Sequence[Span]) -> list[Filling]:
    order = [old.index(one) for one in new]
    return [Filling(one.start, one.end, texts[order[at]]) for at, one in enumerate(items) if order[at] != at]


def _added(
    change: ListChange, old: Sequence[str], new: Sequence[str], other: ArgumentList, items: Sequence[Span], named: int
) -> list[list[Filling]]:
    """`named`: how many of the items stand before those that are found by their names."""
    at = next((at for at, one in enumerate(old) if new[at] != one), len(old))
    if list(new[:at]) != list(old[:at]) or list(new[at + 1 :]) != list(old[at:]):
        return []
    is_by_name = at > named or any(one.startswith("*") for one in old[:at])
    ways = [
        way
        for way in _ways(change, change.new[at + len(change.new) - len(new)], other)
        if not is_by_name or change.language != "python" or other.is_definition or _is_named(way, change)
    ]
    if at < len(items):
        return [[Filling(items[at].start, items[at].start, f"{way}, ")] for way in ways]
    end = other.items[-1].end if other.items else other.start
    return [[Filling(end, end, f", {way}" if other.items else way)] for way in ways]


def _ways(change: ListChange, added: str, other: ArgumentList) -> list[str]:
    """What one more item could be in another list."""
    if change.in_definition == other.is_definition:
        return [added]
    if change.in_definition and "=" in added:
        return []  # what has a default need not be given
    names = _NAME.findall(added)
    type_first = change.in_definition and len(names) > 1 and ":" not in added and change.language in _TYPE_FIRST
    name = names and names[-1 if type_first or other.is_definition else 0]
    if not name:
        return []
    return [name, f"{name}={name}"] if change.language == "python" and change.in_definition else [name]


def _removed(
    old: Sequence[str], new: Sequence[str], texts: Sequence[str], items: Sequence[Span], named: int
) -> list[list[Filling]]:
    at = next((at for at, one in enumerate(new) if old[at] != one), len(new))
    if list(old[:at]) != list(new[:at]) or list(old[at + 1 :]) != list(new[at:]):
        return []
    if at >= named and _NAME.findall(texts[at])[:1] != _NAME.findall(old[at])[:1]:
        return []
    if at + 1 < len(items):
        return [[Filling(items[at].start, items[at + 1].start, "")]]
    start = items[at - 1].end if at else items[at].start
    return [[Filling(start, items[at].end, "")]]


def _list_at(text: str, start: int, language: str) -> tuple[int, tuple[Span, ...]] | None:
    """The end of a list that begins at `start`, and its items; None where it has no end nearby."""
    length = _length(text, start, language)
    if length is None:
        return None
    inside = text[start : start + length]
    edges = [0, *(at + 1 for at in _commas(inside, language)), len(inside) + 1]
    items = []
    for left, right in pairwise(edges):
        item = inside[left : right - 1]
        if item.strip():
            first = start + left + len(item) - len(item.lstrip())
            items.append(Span(first, first + len(item.strip())))
    return start + length, tuple(items)


def _length(text: str, start: int, language: str) -> int | None:
    """The characters of a list up to the parenthesis that closes it; None where none does."""
    for size in (SHORT, MAX_CHARS):
        piece = text[start : start + size]
        closers = scan(piece, language).extra
        if closers:
            return closers[0] if piece[closers[0]] == ")" else None
    return None


def _commas(inside: str, language: str) -> Iterator[int]:
    """Where the commas are that stand in no inner brackets or strings."""
    read, last = None, 0
    for match in re.finditer(",", inside):
        read, last = scan(inside[last : match.start()], language, read), match.start()
        if not read.stack:
            yield match.start()


def _texts(text: str, some: ArgumentList) -> tuple[str, ...]:
    return tuple(text[one.start : one.end] for one in some.items)


def _receiver(items: Sequence[str]) -> int:
    """1 where the first item is the object that a method is called on, which calls do not list."""
    return 1 if items and _RECEIVER.match(items[0]) else 0
