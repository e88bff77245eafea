"""Lists in parentheses behind a name: where they are, what stands in them, and what changed in one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise

from lacuna.engine.text.languages import Kind
from lacuna.engine.text.syntax import spans
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.parameters import parameters
from lacuna.lsp_server.lexing.bracket_scan import scan

MAX_CHARS = 1000  # of a list
SHORT = 100  # characters, in which most lists end
MOST = 200  # lists of one name, the nearest: to read one takes up to 4 ms
_LIST = re.compile(r"([^\W\d]\w*)\s*\(")
_GENERIC = frozenset({"cpp", "csharp", "java", "kotlin", "rust", "scala", "swift", "tsx", "typescript"})
# Types of a type, in which commas part no items. Behind a comparison a value would stand.
_TYPES = re.compile(r"(?<=[\w:])<[^<>;\"']*>(?=\s*([({\[&*,>)?:=|]|\.\.\.|$)|\s+\w)")
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


def list_changes(change: Change, language: str, heads: Set[int] | None = None) -> Iterator[ListChange]:
    """The lists of which an edit changed the number or the order of what is in them; they may begin lines above.
    `heads`: the definitions of the text after it, where they are known; to read 10,000 lines for them takes 0.3 s."""
    if not change.old or not change.new:
        return
    olds = _on_lines(change.before, change.old[0].start, change.old[-1].end, language)
    news = _on_lines(change.after, change.new[0].start, change.new[-1].end, language)
    for old, new in zip(olds, news, strict=False):
        items, now = texts_of(change.before, old), texts_of(change.after, new)
        if old.name == new.name and items != now:
            heads = definitions(change.after, language) if heads is None else heads
            changed = ListChange(old.name, items, now, new.is_definition or new.start in heads, language)
            if _counts(changed.old, changed) != _counts(changed.new, changed) or _is_reordered(changed):
                yield changed


def definitions(text: str, language: str) -> frozenset[int]:
    """Where lists of parameters begin, behind their parentheses, as a language's grammar says."""
    try:
        found = spans(language, text, (Kind.PARAMETERS,))
    except LookupError:  # no grammar: words before the name must say it
        return frozenset()
    return frozenset(start + 1 for start, _ in found[Kind.PARAMETERS])


def _counts(items: Sequence[str], change: ListChange) -> tuple[int, int]:
    """How many items there are, and how many that take arguments: C's `void` is one and none."""
    return len(items), len(parameters(items, change.language)) if change.in_definition else len(items)


def _is_reordered(change: ListChange) -> bool:
    old, new = (
        [one.key for one in parameters(items, change.language)] if change.in_definition else items
        for items in (change.old, change.new)
    )
    return list(old) != list(new) and sorted(old) == sorted(new)


def lists_of(name: str, text: str, language: str, around: int, heads: Set[int] = frozenset()) -> Iterator[ArgumentList]:
    """The argument lists of a name that are the nearest to an offset, from left to right. `heads`: the definitions of
    the text."""
    found = [match for match in _LIST.finditer(text) if match[1] == name]
    nearest = sorted(found, key=lambda match: abs(match.start() - around))[:MOST]
    for one in _read(text, sorted(nearest, key=lambda match: match.start()), language):
        yield replace(one, is_definition=one.is_definition or one.start in heads)


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
    for match in re.finditer(",", _without_types(inside) if language in _GENERIC else inside):
        read, last = scan(inside[last : match.start()], language, read), match.start()
        if not read.stack:
            yield match.start()


def _without_types(inside: str) -> str:
    """A list with other signs in the place of the types of types, from the inside out."""
    known, inside = "", inside.replace("=>", "==")
    while known != inside:
        known, inside = inside, _TYPES.sub(lambda types: "_" * len(types[0]), inside)
    return inside


def texts_of(text: str, some: ArgumentList) -> tuple[str, ...]:
    return tuple(text[one.start : one.end] for one in some.items)
