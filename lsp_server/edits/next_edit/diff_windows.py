"""Where a diff may go on: the user's edits as hunks, and windows of lines below them and around words they touch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import chain

from lacuna.engine.diff_api import (
    ABOVE_HUNK,
    ABOVE_WINDOW,
    LONGEST_LINE,
    MOST_HUNK_CHARS,
    MOST_HUNKS,
    DiffQuestion,
    Hunk,
)
from lacuna.engine.text.lines import lines_of
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.next_edit.tokens import tokens

LINES = 10  # of a window
WINDOWS = 4
RARE = 8  # lines that a word may stand on and still tell where an edit is followed


@dataclass(frozen=True)
class DiffWindow:
    """Lines of a document that an edit may have to be followed in."""

    question: DiffQuestion
    start: int  # of the first line, in characters
    uri: str
    text: str  # of the document
    typed: tuple[tuple[int, int], ...] = ()  # where the user has edited it lately

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Characters of the lines from one up to another."""
        lines = self.question.lines
        start = self.start + sum(map(len, lines[:first]))
        return start, start + sum(map(len, lines[first:end]))


def diff_windows(path: str, version: Version, recent: Sequence[RecentEdit], change: Change) -> Iterator[DiffWindow]:
    """The window below the last edit, then those around words that it touches, the nearest first. `recent` are the
    document's edits, the last one first."""
    text, hunks = version.text, hunks_of(recent, version.text)
    if not hunks:
        return
    lines, last = lines_of(text), hunks[-1]
    first = last.line - 1 + len(last.above)  # of what the edit has left
    below = first + len(last.added)
    touched = {one.text for one in (*change.old, *change.new) if one.is_name or one.is_literal}
    related = [at for at in related_lines(lines, touched) if not first <= at < below]
    around = clusters([at for at in related if not below <= at < below + LINES], first, below)
    for start, end in [(below, below + LINES), *around][:WINDOWS]:
        some = without_data(lines[start:end])
        if not some:
            continue
        above = tuple(lines[max(0, start - ABOVE_WINDOW) : start]) if start != below else ()
        told = tuple(at - start for at in related if start <= at < start + len(some))
        question = DiffQuestion(path, hunks, start - len(above) + 1, above, tuple(some), told)
        yield DiffWindow(question, sum(map(len, lines[:start])), version.uri, text, version.typed)


def told_of(hunks: Sequence[Hunk]) -> str:
    """All that the model reads of edits."""
    return "".join(chain.from_iterable((*hunk.above, *hunk.removed, *hunk.added) for hunk in hunks))


def hunks_of(recent: Sequence[RecentEdit], text: str) -> tuple[Hunk, ...]:
    """The last edits, oldest first; none where the last one is too large to be told."""
    last = hunk_of(recent[0], text)
    older = (hunk_of(edit, text) for edit in reversed(recent[1:MOST_HUNKS]))
    return (*(hunk for hunk in older if hunk is not None), last) if last is not None else ()


def hunk_of(edit: RecentEdit, text: str) -> Hunk | None:
    """The lines that an edit changed; None where there are too many, or none."""
    start = text.rfind("\n", 0, edit.start) + 1
    end = text.find("\n", edit.end)
    end = len(text) if end < 0 else end + 1
    old = text[start : edit.start] + edit.old + text[edit.end : end]
    if max(len(old), end - start) > MOST_HUNK_CHARS:
        return None
    removed, added = lines_of(old), lines_of(text[start:end])
    while removed and added and removed[0] == added[0]:
        start += len(added[0])
        del removed[0], added[0]
    while removed and added and removed[-1] == added[-1]:
        del removed[-1], added[-1]
    if not removed and not added:
        return None
    above = lines_of(text[:start][-ABOVE_HUNK * LONGEST_LINE :])[-ABOVE_HUNK:]
    return Hunk(text.count("\n", 0, start) - len(above) + 1, tuple(above), tuple(removed), tuple(added))


def related_lines(lines: Sequence[str], touched: Set[str]) -> list[int]:
    """The lines on which such words stand, rare ones alone."""
    said = [{token.text for token in tokens(line)} & touched for line in lines]
    count = Counter(word for words in said for word in words)
    rare = {word for word in touched if count[word] <= RARE and len(word) > 1}
    return [at for at, words in enumerate(said) if words & rare]


def clusters(related: Sequence[int], first: int, below: int) -> list[tuple[int, int]]:
    """Windows that hold these lines with one more on either side, the nearest to an edit first. The edit's own lines,
    from `first` to `below`, are in none."""
    windows: list[tuple[int, int]] = []
    for at in related:
        if windows and at + 2 - windows[-1][0] <= LINES and (windows[-1][1] <= first) == (at < first):
            windows[-1] = (windows[-1][0], at + 2)
        else:
            windows.append((max(0, at - 1), at + 2))
    apart = ((start, min(end, first)) if start < first else (max(start, below), end) for start, end in windows)
    return sorted(apart, key=lambda window: abs(window[0] - first))


def without_data(lines: Sequence[str]) -> list[str]:
    """The lines up to one that is too long to be code."""
    long = next((at for at, line in enumerate(lines) if len(line) > LONGEST_LINE), len(lines))
    return list(lines[:long])
