"""Next edits that no rule of ours names: the model goes on with the diff of the user's edits."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

from lacuna.engine.diff_api import LineChange
from lacuna.lsp_server.edits.next_edit.change import Change, change_of
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow, diff_windows
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.lost_code import loses_code
from lacuna.lsp_server.edits.next_edit.objections import (
    changes_only_comments,
    changes_only_prose,
    code_of,
    objection,
)
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.site import Version
from lacuna.lsp_server.edits.next_edit.tokens import tokens
from lacuna.lsp_server.model.worker import Worker

SURE = 4.0  # nats by which a change must be preferred; docs/LOG.md has what others would show
SAID = 3  # words and signs of a line that is not to come twice


class DiffSearch:
    """Asks window after window, the one below the last edit first."""

    def __init__(self, worker: Worker, refused: Callable[[str, str, str], bool]) -> None:
        """`refused` says whether the user does not want one line (of a URI) made another."""
        self._worker = worker
        self._refused = refused

    async def next(self, version: Version, path: str, recent: Sequence[RecentEdit], deadline: float) -> Found | Quiet:
        """What follows in the version's document from its `recent` edits, the last one first, which the version is of;
        or why nothing is offered. Nothing is begun after `deadline`, a time.monotonic(). Raises
        ModelError."""
        change = await asyncio.to_thread(change_of, version.edit, version.text)
        if change is None or changes_only_comments(change, version.language):
            return Quiet.NO_EDIT
        quiet = Quiet.NO_PLACE
        for window in await asyncio.to_thread(list, diff_windows(path, version.text, recent, change)):
            left = deadline - time.monotonic()
            if left <= 0:
                return Quiet.OUT_OF_TIME
            quiet = Quiet.NO_BETTER
            question = replace(window.question, enough=SURE)
            for offered in await self._worker.continue_diff(question, left):
                if offered.preference >= SURE and not speaks_against(version, change, window, offered):
                    one = found(version, window, offered)
                    if not self._refused(one.uri, one.line, one.new_line):
                        return one
        return quiet


def speaks_against(version: Version, change: Change, window: DiffWindow, offered: LineChange) -> Quiet | None:
    """Why a change of a window's lines should not be offered; None where it may be."""
    start, end = window.span(offered.start, offered.end)
    new = "".join(offered.lines)
    if not offered.lines or loses_code(version.text, start, end, new, version.typed):
        return Quiet.LOSES_CODE
    if not code_of(version.language, new) or _repeats(window, offered):
        return Quiet.NO_BETTER
    if changes_only_prose(version.text, start, end, new, version.language):
        return Quiet.NO_BETTER
    return objection(version.text, start, end, new, version.language, change)


def _repeats(window: DiffWindow, offered: LineChange) -> bool:
    """Whether a line comes that the user has just written, or that stands in the window already."""
    question = window.question
    there = [line for at, line in enumerate(question.lines) if not offered.start <= at < offered.end]
    written = chain.from_iterable(hunk.added for hunk in question.hunks)
    known = {line.strip() for line in (*there, *question.above, *written)}
    gone = {line.strip() for line in question.lines[offered.start : offered.end]}
    come = (line.strip() for line in offered.lines)
    return any(line in known - gone and len(tokens(line)) >= SAID for line in come)


def found(version: Version, window: DiffWindow, offered: LineChange) -> Found:
    """A change of a window's lines as an edit of the document. Lines that come before another one are told from it."""
    start, end = window.span(offered.start, offered.end)
    text, new = version.text, "".join(offered.lines)
    last = text.find("\n", end) + 1 or len(text)
    line, new_line = (text[start:end], new) if start < end else (text[start:last], new + text[start:last])
    if end > len(text):  # the last line has no line end
        end, new = len(text), new.removesuffix("\n")
    start, end, new = _trimmed(text, start, end, new)
    return Found(version.uri, start, end, new, line.removesuffix("\n"), new_line.removesuffix("\n"), offered.gain)


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
