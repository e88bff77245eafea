"""Evaluation gaps: holes cut into held-out files where editors have them, and what stood there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lacuna.engine.evaluate.source_files import SourceFile
from lacuna.engine.text import syntax
from lacuna.engine.text.languages import Kind

OPERATORS = "=<>!+-*/&|^%:.~@?#\\\"'`"
TRIES = 6  # places looked at for each gap that is wanted


class GapKind(Enum):
    """What a gap is to the one who has it."""

    REST_OF_LINE = "rest of line"
    ARGUMENTS = "arguments"
    STATEMENT = "statement"
    BLOCK = "block"
    LINES = "lines"
    SPAN = "span"
    EMPTY = "empty"  # nothing is missing: silence is right


# Where one types on in a line: of these the confidence model decides whether a fill is shown unasked.
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
    """A place in a file, the cursor, from which on some text was taken out."""

    file: SourceFile
    kind: GapKind
    left: int  # characters: where the cursor stands
    right: int  # and where the text goes on

    @property
    def truth(self) -> str:
        """What was taken out: the right answer."""
        return self.file.text[self.left : self.right]

    @property
    def document(self) -> str:
        """The file without it."""
        return self.file.text[: self.left] + self.file.text[self.right :]


def cut_gaps(
    files: Sequence[SourceFile], wanted: int, seed: int = 0, kinds: Sequence[GapKind] = tuple(GapKind)
) -> list[EvaluationGap]:
    """At least `wanted` gaps if the files hold so many; file by file, and from above in each.

    Those of one kind in one file are the same whatever else is wanted, and the same for every model.
    """
    gaps: list[EvaluationGap] = []
    for file in _alternating(files, random.Random(seed)):
        if len(gaps) >= wanted:
            break
        gaps += _Cutter(file).gaps(seed, kinds)
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

    def __init__(self, file: SourceFile) -> None:
        self._file, self._text = file, file.text
        self._chance = random.Random()
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
        """None where the right answer is more than anybody would want at once."""
        truth = self._text[left:right]
        characters, lines = _LIMITS[kind]
        if len(truth) > characters or truth.count("\n") >= lines or (kind is not GapKind.EMPTY and not truth.strip()):
            return None
        return EvaluationGap(self._file, kind, left, right)

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

# The most characters and lines of a right answer: those that the server asks for, at 4 characters a token.
_LINE, _LINES = (60, 1), (240, 8)
_LIMITS: Mapping[GapKind, tuple[int, int]] = {
    GapKind.REST_OF_LINE: _LINE,
    GapKind.ARGUMENTS: _LINE,
    GapKind.STATEMENT: _LINES,
    GapKind.BLOCK: _LINES,
    GapKind.LINES: _LINES,
    GapKind.SPAN: _LINES,
    GapKind.EMPTY: _LINE,
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
