"""The engine's interface for diffs that go on: what a user changed, and lines that may have to be changed too."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from threading import Event
from typing import Protocol, runtime_checkable

# Of a question. An adapter for next edits is taught with these, so it is asked with them.
MOST_HUNKS = 3  # the last ones
ABOVE_HUNK = 3  # lines
MOST_HUNK_CHARS = 1200  # of the lines that go, or come
WINDOW_LINES = 8
ABOVE_WINDOW = 2
LONGEST_LINE = 300  # characters: longer ones are data


@dataclass(frozen=True)
class Hunk:
    """Lines that were changed together. Every line has its line end."""

    line: int  # number of the first one, from 1
    above: tuple[str, ...]  # unchanged, before the change
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True)
class Unfinished:
    """A line that the user is writing: what becomes of it begins with what is `typed`."""

    typed: str  # of the line, up to the cursor
    removed: tuple[str, ...]  # the lines in whose place it stands; none where it is new
    closed: str = ""  # the line with what is open in it closed, if that is all it lacks: it is scored, too


@dataclass(frozen=True)
class DiffQuestion:
    """What a user changed in a document, and lines that may have to be changed too. Every line has its line end."""

    path: str
    hunks: tuple[Hunk, ...]  # oldest first
    line: int  # number of the first one that stands above
    above: tuple[str, ...]
    lines: tuple[str, ...]
    related: tuple[int, ...] = ()  # those of `lines` on which words stand that the last hunk touches
    least_gain: float = 0.0  # nats; what has less is left out
    enough: float = inf  # nats of gain and half of the lift; behind a change that has them none is looked for
    elsewhere: str = ""  # the path of the lines' document, where that is another one
    unfinished: Unfinished | None = None  # the first of `lines`, if it is one: then that alone is asked for


@dataclass(frozen=True)
class ChangedLines:
    """Lines that take the place of those from `start` to `end` of a question's."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LineChange(ChangedLines):
    """Those that a diff goes on with."""

    gain: float  # log-odds against the lines as they are, nats
    lift: float  # how much of that the user's hunks have made

    @property
    def preference(self) -> float:
        """What it is ranked by. Where the base finds the lines as they are unlikely for themselves the gain says too
        much, and where it finds any change unlikely the lift does: both have a say."""
        return self.gain + self.lift / 2


@runtime_checkable
class ContinuesDiffs(Protocol):
    """A filler whose model may know how a diff goes on is one of these too."""

    knows_diffs: bool

    def continue_diff(
        self, question: DiffQuestion, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[LineChange, ...]:
        """Changes of a question's lines, the most preferred first; those that were found within `budget` seconds.
        Raises Stopped."""


@dataclass(frozen=True)
class LineEdit(ChangedLines):
    """Those that a model which was taught with real edits writes."""

    probability: float  # that it is just this that becomes of the question's lines


@runtime_checkable
class KnowsEdits(Protocol):
    """A filler whose model may have been taught with real edits is one of these too."""

    knows_edits: bool

    def next_edit(
        self, question: DiffQuestion, least: float = 0.0, *, stop: Event | None = None, budget: float | None = None
    ) -> LineEdit | None:
        """What becomes of a question's lines; None where they most likely stay, where that is less probable than
        `least`, and where it was not found within `budget` seconds. Raises Stopped."""
