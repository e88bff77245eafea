"""Next edits by a model that was taught with real ones: the first window that most likely becomes another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain

from lacuna.engine.diff_api import LineEdit
from lacuna.lsp_server.edits.next_edit.change import Change
from lacuna.lsp_server.edits.next_edit.diff_search import found, speaks_against
from lacuna.lsp_server.edits.next_edit.diff_windows import DiffWindow
from lacuna.lsp_server.edits.next_edit.edit_windows import edit_windows
from lacuna.lsp_server.edits.next_edit.foreseen import is_foreseen
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit
from lacuna.lsp_server.edits.next_edit.search import change_of_code
from lacuna.lsp_server.edits.next_edit.site import Other, Version
from lacuna.lsp_server.edits.next_edit.windows_elsewhere import windows_elsewhere
from lacuna.lsp_server.model.engine_thread import TooLate
from lacuna.lsp_server.model.worker import Worker

SURE = 0.7  # how probable an edit must be; docs/LOG.md has what others would show


class EditSearch:
    """Asks window after window."""

    def __init__(self, worker: Worker, refused: Callable[[str, str, str], bool]) -> None:
        """`refused` says whether the user does not want one line (of a URI) made another."""
        self._worker = worker
        self._refused = refused

    async def next(
        self, version: Version, path: str, recent: Sequence[RecentEdit], others: Sequence[Other], deadline: float
    ) -> Found | Quiet:
        """What the user does next in the version's document, or then in others; or why nothing is offered. `recent` are
        the document's edits, the last one first, which the version is of. Nothing is worked on after `deadline`, a
        time.monotonic(). Raises ModelError."""
        change = await asyncio.to_thread(change_of_code, version)
        if change is None:
            return Quiet.NO_EDIT
        windows = await asyncio.to_thread(_windows, path, version, recent, change, others)
        if not windows:
            return Quiet.NO_PLACE
        try:
            for window in windows:
                found = await self._in(window, version.language, change, deadline)
                if found is not None:
                    return found
        except TooLate:
            return Quiet.OUT_OF_TIME
        return Quiet.NO_BETTER

    async def _in(self, window: DiffWindow, language: str, change: Change, deadline: float) -> Found | None:
        """What becomes of a window, if that is probable, and nothing speaks against it."""
        edit = await self._worker.next_edit(window.question, SURE, deadline)
        if edit is None:
            return None
        one = await asyncio.to_thread(_offered, language, change, window, edit)
        return None if one is None or self._refused(one.uri, one.line, one.new_line) else one


def _windows(
    path: str, version: Version, recent: Sequence[RecentEdit], change: Change, others: Sequence[Other]
) -> list[DiffWindow]:
    elsewhere = (windows_elsewhere(path, version, recent, change, other) for other in others)
    return [*edit_windows(path, version, recent, change), *chain.from_iterable(elsewhere)]


def _offered(language: str, change: Change, window: DiffWindow, edit: LineEdit) -> Found | None:
    """Strings may change alone: most of what was right did (docs/LOG.md)."""
    against = speaks_against(language, change, window, edit, may_be_prose=True)
    is_good = not against and bool("".join(edit.lines).strip()) and is_foreseen(window.question, edit)
    return found(window, edit) if is_good else None
