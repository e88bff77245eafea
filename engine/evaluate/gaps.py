"""Evaluation gaps: holes cut into held-out files where editors have them, and what stood there."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lacuna.engine.api import Gap
from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.engine.text import syntax
from lacuna.engine.text.languages import Kind

# What the server would hand to the engine; it may not be imported here, so its numbers are repeated.
PREFIX_CHARS = 4000
PREFIX_JUMP = 1000  # a window's start stands still for so many characters: what was read of it stays read
SUFFIX_CHARS = 600
LINE_TOKENS = 15
SPAN_TOKENS = 31
BLOCK_TOKENS, BLOCK_LINES = 60, 8

CHARACTERS_A_TOKEN = 12  # no code has more on average: what is longer need not be counted in tokens
OPERATORS = "=<>!+-*/&|^%:.~@?#\\\"'`"
TRIES = 6  # places looked at for each gap that is wanted

Count = Callable[[str], int]  # text -> tokens


class GapKind(Enum):
    """What a gap is to the one who has it."""

    REST_OF_LINE = "rest of line"
    ARGUMENTS = "arguments"
    STATEMENT = "statement"
    BLOCK = "block"
    LINES = "lines"
    SPAN = "span"
    EMPTY = "empty"  # nothing is missing: silence is right


# Of which a suggestion comes unasked, so that the confidence model decides whether it is shown.
AUTOMATIC = (GapKind.REST_OF_LINE, GapKind.ARGUMENTS, GapKind.EMPTY)

# Gaps of each kind per file, where it has the places for them.
PER_FILE: Mapping[GapKind, int] = {
    GapKind.REST_OF_LINE: 7,
    GapKind.ARGUMENTS: 2,
    GapKind.STATEMENT: 2,
    GapKind.BLOCK: 1,
    GapKind.LINES: 1,
    GapKind.SPAN: 1,
    GapKind.EMPTY: 2,
}


@dataclass(frozen=True)
class EvaluationGap:
    """A gap as the server would ask for it, and the right answer."""

    file: SourceFile
    kind: GapKind
    gap: Gap
    truth: str

    @property
    def uncut(self) -> Gap:
        """The same without a limit of lines: the end must be found."""
        return replace(self.gap, max_lines=0)

    @property
    def questions(self) -> tuple[Gap, ...]:
        """The rest of a line is asked for in both ways."""
        return (self.gap, self.uncut) if self.kind is GapKind.REST_OF_LINE else (self.gap,)


def key(gap: Gap) -> str:
    """Names a question: the same for the same text and limits, wherever it was cut."""
    fields = json.dumps([gap.prefix, gap.suffix, gap.max_tokens, gap.max_lines])
    return hashlib.sha256(fields.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def cut_gaps(
    files: Sequence[SourceFile], wanted: int, count: Count, seed: int = 0, kinds: Sequence[GapKind] = tuple(GapKind)
) -> list[EvaluationGap]:
    """At least `wanted` gaps if the files hold so many; file by file, and from above in each.

    Those of one kind in one file are the same whatever else is wanted.
    """
    gaps: list[EvaluationGap] = []
    for file in _alternating(files, random.Random(seed)):
        if len(gaps) >= wanted:
            break
        gaps += _Cutter(file, count).gaps(seed, kinds)
    return gaps


def _alternating(files: Sequence[SourceFile], chance: random.Random) -> Iterator[SourceFile]:
    """A Python file, then one of another language, and of each a package after the other: no large one dominates."""
    python, others = (
        _package_after_package([file for file in files if (file.language == "python") is wanted], chance)
        for wanted in (True, False)
    )
    for at in range(max(len(python), len(others))):
        yield from python[at : at + 1]
        yield from others[at : at + 1]


def _package_after_package(files: Sequence[SourceFile], chance: random.Random) -> list[SourceFile]:
    packages: dict[str, list[SourceFile]] = {}
    for file in sorted(files, key=lambda file: file.name):
        packages.setdefault(file.package, []).append(file)
    order = list(packages.values())
    chance.shuffle(order)
    for package in order:
        chance.shuffle(package)
    longest = max((len(package) for package in order), default=0)
    return [package[at] for at in range(longest) for package in order if at < len(package)]


class _Cutter:
    """Cuts the gaps of one file. Places are pairs of offsets: the cursor, and where the text goes on."""

    def __init__(self, file: SourceFile, count: Count) -> None:
        self._file, self._text = file, file.text
        self._count, self._chance = count, random.Random()
        self._lines = [line for line in _lines(file.text) if line[0] < line[1]]
        self._spans = _spans(file)

    def gaps(self, seed: int, kinds: Sequence[GapKind]) -> list[EvaluationGap]:
        found: dict[tuple[int, int], EvaluationGap] = {}
        for kind in kinds:
            self._chance.seed(f"{seed} {self._file.name} {kind.value}")
            found.update(self._of_kind(kind, PER_FILE[kind]))
        return [found[place] for place in sorted(found)]

    def _of_kind(self, kind: GapKind, number: int) -> Iterator[tuple[tuple[int, int], EvaluationGap]]:
        draw = _PLACES[kind]
        for _ in range(number * TRIES):
            place = draw(self) if self._lines else None
            gap = None if place is None else self._gap(kind, *place)
            if place is not None and gap is not None:
                yield place, gap
                number -= 1
            if number == 0:
                return

    def _gap(self, kind: GapKind, left: int, right: int) -> EvaluationGap | None:
        """None where the right answer is more than would be asked for."""
        truth = self._text[left:right]
        tokens, lines = _LIMITS[kind]
        fits = len(truth) <= tokens * CHARACTERS_A_TOKEN and self._count(truth) <= tokens
        if not fits or (lines and truth.count("\n") >= lines) or (kind is not GapKind.EMPTY and not truth.strip()):
            return None
        suffix = self._text[right : right + SUFFIX_CHARS]
        gap = Gap(self._prefix(left), suffix, self._file.language, max_tokens=tokens, max_lines=lines)
        return EvaluationGap(self._file, kind, gap, truth)

    def _prefix(self, left: int) -> str:
        """The window before the cursor, from a line start that moves in jumps."""
        start = max(0, left - PREFIX_CHARS)
        if start:
            start = self._text.find("\n", min(left - 1, start + -start % PREFIX_JUMP), left) + 1
        return self._text[start:left]

    def rest_of_line(self) -> tuple[int, int]:
        start, end = self._chance.choice(self._lines)
        return self._chance.randrange(start, end), end

    def lines(self) -> tuple[int, int] | None:
        first = self._chance.randrange(len(self._lines))
        last = first + self._chance.randint(1, 3)
        if last >= len(self._lines):
            return None
        start, end = self._lines[first]
        return (start if self._chance.random() < 0.5 else self._chance.randrange(start, end)), self._lines[last][1]

    def span(self) -> tuple[int, int]:
        left = self._chance.randrange(*self._chance.choice(self._lines))
        return left, min(len(self._text), left + self._chance.randint(1, 80))

    def arguments(self) -> tuple[int, int] | None:
        """From a place between the brackets to the closing one."""
        span = self._node(Kind.ARGUMENTS)
        if span is None or span[1] - span[0] < 3:
            return None
        start, end = span
        if self._text[start] + self._text[end - 1] not in ("()", "<>", "[]"):  # those of Python's lambda have none
            return None
        return self._chance.randrange(start + 1, end - 1), end - 1

    def piece(self, kind: Kind) -> tuple[int, int] | None:
        """A node that has its lines for itself; of one in braces, what is between them."""
        span = self._node(kind)
        if span is None:
            return None
        start, end = span
        if self._text[start] == "{" and self._text[end - 1] == "}":
            start, end = start + 1, end - 1
        inner = self._text[start:end]
        start, end = start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
        before = self._text[self._text.rfind("\n", 0, start) + 1 : start]
        return (start, end) if start < end and not before.strip() and self._text[end : end + 1] in ("", "\n") else None

    def complete(self) -> tuple[int, int] | None:
        """A cursor in code where nothing is missing: behind a line, or before a token that is no word, as before a
        word the server asks nothing unasked."""
        start, end = self._chance.choice(self._lines)
        if self._chance.random() < 0.5:
            places = [end]
        else:
            places = [at for at in range(start, end) if _between_tokens(self._text[at - 1 : at], self._text[at])]
        at = self._chance.choice(places) if places else start
        in_string = any(first < at < last for first, last in self._spans.get(Kind.STRING, []))
        in_comment = any(first < at <= last for first, last in self._spans.get(Kind.COMMENT, []))
        return (at, at) if places and not in_string and not in_comment else None

    def _node(self, kind: Kind) -> tuple[int, int] | None:
        spans = self._spans.get(kind)
        return self._chance.choice(spans) if spans else None


Place = Callable[[_Cutter], tuple[int, int] | None]
_PLACES: Mapping[GapKind, Place] = {
    GapKind.REST_OF_LINE: _Cutter.rest_of_line,
    GapKind.ARGUMENTS: _Cutter.arguments,
    GapKind.STATEMENT: lambda cutter: cutter.piece(Kind.STATEMENT),
    GapKind.BLOCK: lambda cutter: cutter.piece(Kind.BLOCK),
    GapKind.LINES: _Cutter.lines,
    GapKind.SPAN: _Cutter.span,
    GapKind.EMPTY: _Cutter.complete,
}

# The most tokens and lines that are asked for; 0 lines for no such limit.
_LIMITS: Mapping[GapKind, tuple[int, int]] = {
    GapKind.REST_OF_LINE: (LINE_TOKENS, 1),
    GapKind.ARGUMENTS: (LINE_TOKENS, 1),
    GapKind.STATEMENT: (BLOCK_TOKENS, BLOCK_LINES),
    GapKind.BLOCK: (BLOCK_TOKENS, BLOCK_LINES),
    GapKind.LINES: (BLOCK_TOKENS, BLOCK_LINES),
    GapKind.SPAN: (SPAN_TOKENS, 0),
    GapKind.EMPTY: (LINE_TOKENS, 1),
}


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of what is written on each line: from its first sign to its end. Lines that end in white space are left
    out, as nobody would want that suggested."""
    start = 0
    for line in text.split("\n"):
        if line == line.rstrip():
            yield start + len(line) - len(line.lstrip()), start + len(line)
        start += len(line) + 1


def _spans(file: SourceFile) -> dict[Kind, list[tuple[int, int]]]:
    if isinstance(syntax.grammar(file.language), syntax.MissingGrammar):
        return {}
    return syntax.spans(
        file.language, file.text, (Kind.ARGUMENTS, Kind.STATEMENT, Kind.BLOCK, Kind.STRING, Kind.COMMENT)
    )


def _between_tokens(before: str, after: str) -> bool:
    """Whether a sign begins here: no word, no white space, and not the second half of an operator."""
    if after.isalnum() or after == "_" or after.isspace():
        return False
    return not (before in OPERATORS and after in OPERATORS)
