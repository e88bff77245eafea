"""Gaps as editors make them, cut from a window of a file for training: several left cuts share one right cut."""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lacuna.engine.text import syntax, token_healing
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.text.languages import Kind

LEFTS = 9  # gaps that share one right cut, and with it one read of the suffix
EMPTY_TOO = 0.6  # right cuts where a gap without anything missing is cut as well
SUFFIX_CHARS = 600  # as many as 96 tokens can need, nearly always
LAST_LINES = 8  # of a file, at most
LOCAL_PREFIX = 300  # characters before a left cut that its boundary can depend on


class Shape(Enum):
    """What a gap is, as people make them. Empty ones come with every other shape."""

    REST_OF_LINE = "rest of a line"
    ARGUMENTS = "arguments"  # editors close brackets by themselves
    STATEMENT = "statement"
    BLOCK = "block"
    LINES = "lines"
    SPAN = "span"
    EMPTY = "empty"
    FILE_END = "file's end"  # its last lines, cut wherever a window reaches them: nothing behind them says so


@dataclass(frozen=True)
class Cutting:
    """How windows are cut."""

    often: Mapping[Shape, int]  # how often a gap of each shape is cut, relative to the others
    suffix_sizes: tuple[tuple[int, float], ...]  # tokens of every suffix of a window, and how often
    more_lines: int  # of a hole of several lines, behind the rest of its first one, at most
    near_end: float = 0.0  # how often a window is to reach its file's end


TWO_READS_CUTTING = Cutting(
    {
        Shape.REST_OF_LINE: 32,
        Shape.ARGUMENTS: 20,
        Shape.STATEMENT: 12,
        Shape.BLOCK: 6,
        Shape.LINES: 8,
        Shape.SPAN: 14,
    },
    suffix_sizes=((24, 0.3), (32, 0.4), (64, 0.3)),
    more_lines=3,
)
# A base of this layout knows rests of lines before any training; where longer holes end it does not. Where a file ends
# with the hole, nothing behind it says so: that is learned by itself.
FIM_CUTTING = Cutting(
    {
        Shape.REST_OF_LINE: 26,
        Shape.ARGUMENTS: 14,
        Shape.STATEMENT: 14,
        Shape.BLOCK: 10,
        Shape.LINES: 16,
        Shape.SPAN: 20,
    },
    suffix_sizes=((32, 0.2), (64, 0.3), (96, 0.5)),
    more_lines=4,
    near_end=0.2,
)


@dataclass(frozen=True)
class TrainingGap:
    """A hole in a window's tokens. What it should hold are `tokens`; its suffix is the window's of that number."""

    shape: Shape
    left: int  # how many of the window's tokens stand before it
    tokens: tuple[int, ...]
    suffix: int


@dataclass(frozen=True)
class Window:
    """Consecutive lines of a file as tokens, and the gaps cut into them."""

    ids: tuple[int, ...]
    suffixes: tuple[tuple[int, ...], ...]
    gaps: tuple[TrainingGap, ...]


def cut(
    text: str,
    start: int,
    language: str,
    size: int,
    rights: int,
    tokenizer: Tokenizer,
    chance: random.Random,
    cutting: Cutting = TWO_READS_CUTTING,
) -> Window:
    """A window of at most `size` tokens from `start`, an offset of a line, with gaps at up to `rights` right cuts."""
    sizes, often = zip(*cutting.suffix_sizes, strict=True)
    (seen,) = chance.choices(sizes, often)
    return _Cutter(text, start, language, size, tokenizer, chance, cutting).window(rights, seen)


class _Cutter:
    def __init__(
        self,
        text: str,
        start: int,
        language: str,
        size: int,
        tokenizer: Tokenizer,
        chance: random.Random,
        cutting: Cutting,
    ) -> None:
        ids, ends = tokenizer.encode_with_ends(text[start : start + 8 * size])
        self._ids, ends = ids[:size], ends[:size]
        self._starts = [start, *(start + end for end in ends)]  # offsets where tokens begin; the last is the window's
        self._text, self._end, self._tokenizer, self._chance = text, self._starts[-1], tokenizer, chance
        self._cutting = cutting
        self._spans = _spans(text, start, self._end, language)

    def window(self, rights: int, seen: int) -> Window:
        suffixes: list[tuple[int, ...]] = []
        gaps: list[TrainingGap] = []
        shapes = self._chance.choices(list(self._cutting.often), list(self._cutting.often.values()), k=rights)
        for shape in [*shapes, *([Shape.FILE_END] if self._end == len(self._text) else [])]:
            by_right: dict[int, list[tuple[Shape, int]]] = {}
            # By name too: a set has another order in every process.
            for kind, left, right in sorted(self._cuts(shape), key=lambda found: (found[1:], found[0].name)):
                by_right.setdefault(right, []).append((kind, left))
            for right, lefts in by_right.items():
                gaps += [self._gap(kind, left, right, len(suffixes)) for kind, left in lefts]
                suffixes.append(tuple(self._tokenizer.encode(self._text[right : right + SUFFIX_CHARS])[:seen]))
        return Window(tuple(self._ids), tuple(suffixes), tuple(gaps))

    def _gap(self, shape: Shape, left: int, right: int, suffix: int) -> TrainingGap:
        """Whole tokens as the file has them, and what is left of the one that the right cut runs through."""
        first, last = self._token_at(left), self._token_at(right)
        whole = self._ids[first:last]
        rest = self._tokenizer.encode(self._text[self._starts[last] : right])
        return TrainingGap(shape, first, (*whole, *rest), suffix)

    def _token_at(self, offset: int) -> int:
        """The token that begins there, or that runs on there; of a character in several tokens, the first one."""
        return bisect_right(self._starts, offset) - 1

    def _seamed(self, cursor: int, right: int) -> Iterator[tuple[int, int]]:
        """The cut as `token_healing.heal` leaves it: where the canvas begins, where the suffix does."""
        prefix = self._text[max(0, cursor - LOCAL_PREFIX) : cursor]
        boundary, _ = token_healing.heal(prefix, self._text[right : right + 2], self._tokenizer)
        if boundary.newline and not (cursor == right or self._text[cursor:right].endswith("\n")):
            return  # no answer could spell this hole
        left = cursor - (len(prefix) - len(boundary.prefix))
        right -= boundary.newline
        begins = left >= self._starts[0] and self._starts[self._token_at(left)] == left
        if begins and left <= right <= self._end:
            yield left, right

    def _cuts(self, shape: Shape) -> set[tuple[Shape, int, int]]:
        """Where canvases begin and suffixes do. The right cut is the same for all, but for line ends that move over."""
        right, earliest = _RIGHTS[shape](self)
        cursors = [(shape, self._chance.randint(earliest, right)) for _ in range(LEFTS)] if earliest < right else []
        if self._chance.random() < EMPTY_TOO:
            cursors.append((Shape.EMPTY, right))
        return {(shape, *seamed) for shape, cursor in cursors for seamed in self._seamed(cursor, right)}

    def _line(self) -> tuple[int, int]:
        """A line that is not blank: from its first sign to its end."""
        for _ in range(10):
            at = self._chance.randint(self._starts[0], self._end)
            start = self._text.rfind("\n", 0, at) + 1
            end = self._line_end(at)
            if end <= self._end and (line := self._text[start:end]).strip():
                return max(start, self._starts[0]) + len(line) - len(line.lstrip()), end
        return self._starts[0], self._starts[0]

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def rest_of_line(self) -> tuple[int, int]:
        start, end = self._line()
        return end, start

    def lines(self) -> tuple[int, int]:
        start, end = self._line()
        for _ in range(self._chance.randint(1, self._cutting.more_lines)):
            end = self._line_end(end + 1)
        return min(end, self._end), start

    def file_end(self) -> tuple[int, int]:
        """Its last lines, with the line end that closes them or without."""
        whole = len(self._text.rstrip("\n"))
        end = start = self._chance.choice((whole, len(self._text)))
        for _ in range(self._chance.randint(1, LAST_LINES)):
            start = self._text.rfind("\n", 0, max(0, start - 1)) + 1
        return end, min(max(start, self._starts[0]), end)

    def span(self) -> tuple[int, int]:
        at = self._chance.randrange(len(self._starts))
        first = max(0, at - self._chance.randint(1, 24))
        right = self._starts[at] - self._chance.randint(0, 3)  # by character
        return max(right, self._starts[0]), self._starts[first]

    def node(self, kind: Kind) -> tuple[int, int]:
        """A piece of the syntax tree; its left cuts are in its first third, or at its start."""
        spans = self._spans.get(kind)
        if not spans:
            return self.rest_of_line()
        start, end = self._chance.choice(spans)
        if kind is Kind.ARGUMENTS and self._text[start] in "([{":
            return end - 1, start + 1  # inside the brackets; a lambda's parameters have none
        return end, start if self._chance.random() < 0.5 else start + (end - start) // 3


_RIGHTS: dict[Shape, Callable[[_Cutter], tuple[int, int]]] = {
    Shape.REST_OF_LINE: _Cutter.rest_of_line,
    Shape.ARGUMENTS: lambda cutter: cutter.node(Kind.ARGUMENTS),
    Shape.STATEMENT: lambda cutter: cutter.node(Kind.STATEMENT),
    Shape.BLOCK: lambda cutter: cutter.node(Kind.BLOCK),
    Shape.LINES: _Cutter.lines,
    Shape.FILE_END: _Cutter.file_end,
    Shape.SPAN: _Cutter.span,
}


def _spans(text: str, start: int, end: int, language: str) -> dict[Kind, list[tuple[int, int]]]:
    """Where pieces of the syntax tree lie in a window, in characters. Nothing where the language has no grammar."""
    kinds = (Kind.ARGUMENTS, Kind.STATEMENT, Kind.BLOCK)
    if isinstance(syntax.grammar(language), syntax.MissingGrammar) or not re.search(r"\S", text):
        return {}
    return syntax.spans(language, text[start:end], kinds, start)


def random_start(text: str, chance: random.Random) -> int:
    """The offset of a line in the file, its first one often enough that empty prefixes are known."""
    lines: Sequence[int] = [0, *(match.end() for match in re.finditer("\n", text))]
    return 0 if chance.random() < 0.15 else lines[int(len(lines) * 0.85 * chance.random())]


def start_before_end(text: str, characters: int, chance: random.Random) -> int:
    """The offset of a line from which a window of so many characters may reach the file's end."""
    return text.rfind("\n", 0, max(0, len(text) - chance.randint(characters // 4, characters))) + 1
