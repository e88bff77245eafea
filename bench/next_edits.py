"""Next edits as a user meets them: makes scripted edits, takes what is offered where it is right, and counts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from scripted_edit import Change, ScriptedEdit, followed

from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.documents.text import Edit, Position
from lacuna.lsp_server.edits.next_edit.offers import Offer, Offers, Quiet
from lacuna.lsp_server.edits.next_edit.service import NextEdits
from lacuna.lsp_server.model.worker import Worker

URI = "file:///held_out.py"
TAKEN = 3  # right offers in a row after which the user stops


@dataclass(frozen=True)
class Outcome:
    """What became of one scripted edit."""

    kind: str
    shown: int
    right: int
    first: str  # "right", "wrong", or why nothing was offered at first
    milliseconds: tuple[float, ...]  # per request


async def follow(edit: ScriptedEdit, worker: Worker) -> Outcome:
    """Makes the edit in an open document, and takes right offers one after the other."""
    user = User(edit.before, worker)
    user.change(edit.edit)
    left, shown, right, first = edit, 0, 0, ""
    times: list[float] = []
    while left.follow_ups or not times:
        start = time.perf_counter()
        offer = await user.offered()
        times.append((time.perf_counter() - start) * 1000.0)
        if isinstance(offer, Quiet):
            first = first or offer.value
            break
        shown += 1
        rest = followed(left, [offer])
        first = first or ("wrong" if rest is None else "right")
        if rest is None:
            break
        right, left = right + 1, rest
        user.change(offer)
        if right == TAKEN:
            break
    return Outcome(edit.kind, shown, right, first, tuple(times))


class User:
    """One document in the server's own parts, without the protocol."""

    def __init__(self, text: str, worker: Worker, language: str = "python") -> None:
        self._documents = DocumentStore()
        self._next_edits = NextEdits(self._documents, worker, lambda uri: uri == URI, Offers())
        self._document = self._documents.open(URI, language, 0, text)
        self._next_edits.notice()
        self._cursor = 0

    def change(self, change: Change) -> None:
        start, end = self._position(change.start), self._position(change.end)
        self._documents.change(URI, self._document.version + 1, [Edit(start, end, change.text)])
        self._next_edits.notice()
        self._cursor = change.start + len(change.text)

    async def offered(self) -> Change | Quiet:
        found = await self._next_edits.next(URI, self._position(self._cursor))
        if not isinstance(found, Offer):
            return found
        text = self._document.text
        return Change(text.offset(found.replacement.start), text.offset(found.replacement.end), found.replacement.text)

    def _position(self, offset: int) -> Position:
        text = self._document.text
        return text.position(text.place_at(offset), "utf-16")
