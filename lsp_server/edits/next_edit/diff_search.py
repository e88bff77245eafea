"""Next edits that no rule of ours names: the model goes on with the diff of the user's edits."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import chain

from lacuna.engine.diff_api import ChangedLines, LineChange
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow, diff_windows, told_of
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.lost_code import loses_code
from lacuna.lsp_server.edits.next_edit.objections import changes_only_prose, code_of, objection
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.other_values import copies_value
from lacuna.lsp_server.edits.next_edit.overloads import changes_overload
from lacuna.lsp_server.edits.next_edit.own_line import finishes, own_line, worth_it
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.search import change_of_code
from lacuna.lsp_server.edits.next_edit.site import Other, Version
from lacuna.lsp_server.edits.next_edit.tokens import tokens
from lacuna.lsp_server.edits.next_edit.windows_elsewhere import windows_elsewhere
from lacuna.lsp_server.model.engine_thread import TooLate
from lacuna.lsp_server.model.worker import Worker

SURE = 4.0  # nats by which a change must be preferred; docs/LOG.md has what others would show
SAID = 2  # words and signs of a line that is not to come twice
NEAR = 2000  # characters around a place in which it would be the second one
ALIKE = 0.25  # share of words and signs that a line which goes has in common with one that comes


class DiffSearch:
    """Asks window after window: the line that is still written, what is below the last edit, and what is related."""

    def __init__(self, worker: Worker, refused: Callable[[str, str, str], bool]) -> None:
        """`refused` says whether the user does not want one line (of a URI) made another."""
        self._worker = worker
        self._refused = refused

    async def on_own_line(
        self, version: Version, path: str, recent: Sequence[RecentEdit], cursor: int, deadline: float
    ) -> Found | Quiet:
        """What the cursor's line should be, where the last edit has left it unfinished; or why nothing is offered. The
        rest as of `next`."""
        change = await asyncio.to_thread(change_of_code, version)
        if change is None:
            return Quiet.NO_EDIT
        window = await asyncio.to_thread(own_line, path, version, recent, cursor)
        return await self._first([window] if window else [], version, change, deadline)

    async def next(self, version: Version, path: str, recent: Sequence[RecentEdit], deadline: float) -> Found | Quiet:
        """What follows in the version's document from its `recent` edits, the last one first, which the version is of;
        or why nothing is offered. Nothing is worked on after `deadline`, a time.monotonic(). Raises ModelError."""
        change = await asyncio.to_thread(change_of_code, version)
        if change is None:
            return Quiet.NO_EDIT
        windows = await asyncio.to_thread(list, diff_windows(path, version, recent, change))
        return await self._first(windows, version, change, deadline)

    async def elsewhere(
        self, version: Version, path: str, recent: Sequence[RecentEdit], others: Sequence[Other], deadline: float
    ) -> Found | Quiet:
        """What follows in other documents; or why nothing is offered. The rest as of `next`."""
        change = await asyncio.to_thread(change_of_code, version)
        if change is None:
            return Quiet.NO_EDIT
        quiet = Quiet.NO_PLACE
        for other in others:
            windows = await asyncio.to_thread(windows_elsewhere, path, version, recent, change, other)
            found = await self._first(windows, version, change, deadline)
            if isinstance(found, Found) or found is Quiet.OUT_OF_TIME:
                return found
            quiet = found if quiet is Quiet.NO_PLACE else quiet
        return quiet

    async def _first(
        self, windows: Sequence[DiffWindow], version: Version, change: Change, deadline: float
    ) -> Found | Quiet:
        """What is found in the first window that has something."""
        try:
            for window in windows:
                found = await self._in(window, version, change, deadline)
                if found is not None:
                    return found
        except TooLate:
            return Quiet.OUT_OF_TIME
        return Quiet.NO_BETTER if windows else Quiet.NO_PLACE

    async def _in(self, window: DiffWindow, version: Version, change: Change, deadline: float) -> Found | None:
        """The most preferred change of a window's lines that is sure, and that nothing speaks against."""
        enough = SURE if window.question.unfinished is None else math.inf  # of that all is compared
        changes = await self._worker.continue_diff(replace(window.question, enough=enough), deadline)
        for offered in worth_it(version.language, window, changes):
            one = await asyncio.to_thread(_offered, version.language, change, window, offered)
            if one is not None and not self._refused(one.uri, one.line, one.new_line):
                return one
        return None


def _offered(language: str, change: Change, window: DiffWindow, offered: LineChange) -> Found | None:
    """What is sure, and that nothing speaks against."""
    if offered.preference < SURE or speaks_against(language, change, window, offered):
        return None
    return found(window, offered)


def speaks_against(
    language: str, change: Change, window: DiffWindow, offered: ChangedLines, *, may_be_prose: bool = False
) -> Quiet | None:
    """Why a change of a window's lines should not be offered; None where it may be. `may_be_prose`: strings and
    comments alone may change."""
    (start, end), text = window.span(offered.start, offered.end), window.text
    gone, new = window.question.lines[offered.start : offered.end], "".join(offered.lines)
    if _is_lost(gone, offered.lines) or loses_code(text, start, end, new, window.typed):
        return Quiet.LOSES_CODE
    if _repeats(window, text, start, end, offered):
        return Quiet.NO_BETTER
    if _is_prose(language, text, start, end, new, may_be_prose):
        return Quiet.NO_BETTER
    if changes_overload(change, language, text, start, end, new) or copies_value(change, text[start:end], new):
        return Quiet.NO_BETTER
    unfinished = window.question.unfinished
    if unfinished is not None and not finishes(language, window, unfinished, offered):
        return Quiet.NO_BETTER
    removed = "".join(unfinished.removed) if unfinished is not None else ""
    return objection(text, start, end, new, language, change, told_of(window.question.hunks) + removed)


def _is_prose(language: str, text: str, start: int, end: int, new: str, may_be: bool) -> bool:
    """Whether no code comes, where any went or nothing else `may_be`, or plain strings and comments alone change."""
    if not code_of(language, new):
        return not may_be or bool(code_of(language, text[start:end]))
    return not may_be and changes_only_prose(text, start, end, new, language)


def _is_lost(gone: Sequence[str], come: Sequence[str]) -> bool:
    """Whether fewer lines come than go, or one goes like which none comes."""
    before, after = ([words for line in lines if (words := _words(line))] for lines in (gone, come))
    return len(after) < len(before) or not all(any(_is_alike(one, other) for other in after) for one in before)


def _is_alike(one: list[str], other: list[str]) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def _words(line: str) -> list[str]:
    return [token.text for token in tokens(line)]


def _repeats(window: DiffWindow, text: str, start: int, end: int, offered: ChangedLines) -> bool:
    """Whether a line comes that the user has just written, or that stands near already."""
    near = text[max(0, start - NEAR) : start].split("\n")[1:] + text[end : end + NEAR].split("\n")[:-1]
    written = chain.from_iterable(hunk.added for hunk in window.question.hunks)
    known = {line.strip() for line in (*near, *written)}
    gone = {line.strip() for line in window.question.lines[offered.start : offered.end]}
    return any(line.strip() in known - gone and len(_words(line)) >= SAID for line in offered.lines)


def found(window: DiffWindow, offered: ChangedLines) -> Found:
    """A change of a window's lines as an edit of the document. Lines that come before another one are told from it."""
    start, end = window.span(offered.start, offered.end)
    text, new = window.text, "".join(offered.lines)
    line, new_line = text[start:end], new
    if not line.strip():
        behind = text[end : _line_end(text, end)]
        line, new_line = line + behind, new + behind
    if end > len(text):  # the last line has no line end
        end, new = len(text), new.removesuffix("\n")
    start, end, new = _trimmed(text, start, end, new)
    return Found(window.uri, start, end, new, line.removesuffix("\n"), new_line.removesuffix("\n"))


def _line_end(text: str, start: int) -> int:
    """Where the first line ends that is not blank, from an offset on; all of the text where there is none."""
    more = re.compile(r"\s*[^\n]*\n?").match(text, start)
    assert more is not None, "it matches nothing, too"
    return more.end()


def _trimmed(text: str, start: int, end: int, new: str) -> tuple[int, int, str]:
    """Without the lines at both ends that stay as they are."""
    old, now = (re.findall("[^\n]*\n|[^\n]+", piece) for piece in (text[start:end], new))
    while old and now and old[0] == now[0]:
        start += len(old[0])
        del old[0], now[0]
    while old and now and old[-1] == now[-1]:
        end -= len(old[-1])
        del old[-1], now[-1]
    return start, end, "".join(now)
