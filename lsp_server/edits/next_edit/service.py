"""Answers requests for next edits of one client's documents: the latest wins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from lacuna.lsp_server.completion.latest_only import LatestOnly
from lacuna.lsp_server.documents.exclude import short_path
from lacuna.lsp_server.documents.plain_text import place_in, plain
from lacuna.lsp_server.documents.store import Document, DocumentStore
from lacuna.lsp_server.documents.text import Place, Position, Text
from lacuna.lsp_server.edits.next_edit.change import alike
from lacuna.lsp_server.edits.next_edit.diff_search import DiffSearch
from lacuna.lsp_server.edits.next_edit.edit_search import EditSearch
from lacuna.lsp_server.edits.next_edit.found import Found
from lacuna.lsp_server.edits.next_edit.offers import Offer, Offers, Quiet
from lacuna.lsp_server.edits.next_edit.own_line import is_typed
from lacuna.lsp_server.edits.next_edit.recent_edits import MAX_CHARS, RecentEdit, RecentEdits
from lacuna.lsp_server.edits.next_edit.search import Search
from lacuna.lsp_server.edits.next_edit.site import Other, Version, tell_secrets
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.model.worker import Worker

IDLE_SECONDS = 0.1  # without an edit: typing on is not to be interrupted
# For all places and edits of one request: after that the place at hand is the last one. What is found later is of no
# use, the user is somewhere else by then.
BUDGET_SECONDS = 3.0
EDITS = 3  # that are looked at, the last one first; those that say the same count as one
OTHERS = 2  # documents besides the edited one
FURTHER = (Quiet.NO_PLACE, Quiet.AS_LIKELY, Quiet.NO_BETTER)  # after which the model may go on with the diff itself


class NextEdits:
    """Keeps the recent edits, looks for what follows from them, and makes offers of it."""

    def __init__(
        self, documents: DocumentStore, worker: Worker, is_welcome: Callable[[str], bool], offers: Offers
    ) -> None:
        self._documents = documents
        self._is_welcome = is_welcome
        self._offers = offers
        self._recent = RecentEdits()
        self._texts: dict[str, Text] = {}
        self._uri = ""  # of the last request
        self._latest: LatestOnly[Offer | Quiet] = LatestOnly()
        self.use(worker)

    def use(self, worker: Worker) -> None:
        """From now on look with this model."""
        self._worker = worker
        self._search = Search(worker, self._offers.was_dismissed)
        self._diff_search = DiffSearch(worker, self._offers.was_dismissed)
        self._edit_search = EditSearch(worker, self._offers.was_dismissed)

    def notice(self) -> None:
        """Documents were opened, changed or closed."""
        open_now = {document.uri: document.text for document in self._documents}
        self._recent.keep(open_now)
        if self._uri not in open_now:  # nobody waits for what is looked for in a closed document
            self._latest.cancel()
        for uri, text in open_now.items():
            if self._texts.get(uri) is not text:
                self._recent.notice(uri, text)
                if uri in self._texts and len(text) <= MAX_CHARS and self._offers.concern(uri):
                    self._offers.moved_on(uri, plain(text))
                self._latest.cancel()
        self._texts = open_now

    async def next(self, uri: str, position: Position) -> Offer | Quiet:
        """The edit to offer with the cursor at a position, or why there is none. Raises ModelError."""
        if not self._is_welcome(uri):
            return Quiet.OFF
        if not self._worker.is_ready:
            return Quiet.NOT_READY
        self._uri = uri
        text = self._documents.get(uri).text
        found = await self._latest.run((uri, text, position), lambda: self._next(uri, text, position))
        return Quiet.SUPERSEDED if found is None else found

    def is_typing(self, uri: str, position: Position) -> bool:
        """Whether the last edit has put in text right before a position."""
        recent, text = self._recent.of(uri), self._documents.get(uri).text
        if not recent:
            return False
        return is_typed(recent[0], plain(text), self._offset(text, position))

    def at_cursor(self, uri: str, text: str, start: Position, end: Position) -> Offer | None:
        """An offer to put a text in the place of what stands there on a line; None for one that was dismissed."""
        document = self._documents.get(uri)
        first, last = (document.text.place(one, self._documents.encoding) for one in (start, end))
        line = document.text.line(first.line)
        new_line = line[: first.column] + plain(text) + line[last.column :]
        if self._offers.are_unwanted(uri) or self._offers.was_dismissed(uri, line, new_line):
            return None
        replacement = Replacement(text, first, last)
        return self._offers.make(uri, uri, document.version, replacement, line, new_line, goes_on=True)

    def focus(self, uri: str | None) -> None:
        """The user looks at a document, or at none: no other one's edits are wanted."""
        if uri != self._uri:
            self._latest.cancel()

    def cancel(self) -> None:
        """Stop what is worked on."""
        self._latest.cancel()

    async def _next(self, uri: str, text: Text, position: Position) -> Offer | Quiet:
        recent = self._recent.of(uri)
        if not recent:
            return Quiet.NO_EDIT
        if self._offers.are_unwanted(uri):
            return Quiet.DISMISSED
        await asyncio.sleep(IDLE_SECONDS)
        deadline = time.monotonic() + BUDGET_SECONDS
        document, now = self._documents.get(uri), plain(text)
        around = self._offset(text, position)
        versions = await asyncio.to_thread(_versions, uri, now, document.language, recent)
        found = await self._found(document, versions, recent, around, deadline)
        return self._offer(uri, found) if isinstance(found, Found) else found

    async def _found(
        self,
        document: Document,
        versions: Sequence[Version],
        recent: Sequence[RecentEdit],
        around: int,
        deadline: float,
    ) -> Found | Quiet:
        """On the line that the user is still writing, then by rules, then as the model was taught, or by how the diff
        goes on."""
        last, path, diffs = versions[0], short_path(document.uri), self._diff_search
        if self._worker.is_in_fim_layout:
            found = await diffs.on_own_line(last, path, recent, around, deadline)
            if isinstance(found, Found):
                return found
        others = await self._others(document, versions)
        found = await self._followed(versions, others, around, deadline)
        if found in FURTHER and self._worker.knows_edits:
            found = await self._edit_search.next(last, path, recent, others[0], deadline)
        if found in FURTHER and self._worker.is_in_fim_layout:
            found = await diffs.next(last, path, recent, deadline)
            if found in FURTHER and others[0]:
                elsewhere = await diffs.elsewhere(last, path, recent, others[0], deadline)
                found = found if elsewhere is Quiet.NO_PLACE else elsewhere
        return found

    async def _followed(
        self, versions: Sequence[Version], others: Sequence[Sequence[Other]], around: int, deadline: float
    ) -> Found | Quiet:
        """By what became less likely at places that a rule names."""
        quiet = Quiet.NO_EDIT
        for version, told in zip(versions, others, strict=True):
            found = await self._search.next(version, around, deadline, told)
            if isinstance(found, Found) or found is Quiet.OUT_OF_TIME:
                return found
            if quiet is not Quiet.SECRET and (quiet is not Quiet.NO_BETTER or found is Quiet.SECRET):
                quiet = found
        return quiet

    async def _others(self, document: Document, versions: Sequence[Version]) -> list[tuple[Other, ...]]:
        """Per version the other documents in the same language that may be told of its edit, the one used last
        first."""
        alike = (
            Other(other.uri, plain(other.text), _typed(self._recent.of(other.uri)))
            for other in self._documents
            if other.uri != document.uri and other.language == document.language
            if len(other.text) <= MAX_CHARS and self._is_welcome(other.uri)
        )
        others = tuple(other for other, _ in zip(alike, range(OTHERS), strict=False))
        if not others:
            return [()] * len(versions)
        return [() if secret else others for secret in await asyncio.to_thread(tell_secrets, versions)]

    def _offset(self, text: Text, position: Position) -> int:
        """Into the plain text."""
        return len(plain(text.between(Place(0, 0), text.place(position, self._documents.encoding))))

    def _offer(self, edited: str, found: Found) -> Offer | Quiet:
        if self._offers.are_unwanted(edited):  # the one before was dismissed meanwhile
            return Quiet.DISMISSED
        if not self._is_welcome(found.uri):  # it was closed meanwhile; a change would have ended the search
            return Quiet.STALE
        document = self._documents.get(found.uri)
        text = plain(document.text)
        start, end = place_in(text, found.start), place_in(text, found.end)
        replacement = Replacement(found.text.replace("\n", document.text.newline), start, end)
        return self._offers.make(edited, found.uri, document.version, replacement, found.line, found.new_line)


def _versions(uri: str, text: str, language: str, recent: Sequence[RecentEdit]) -> list[Version]:
    """Per recent edit what stood before it, the last one first; edits that say the same count as one."""
    typed, versions, done = _typed(recent), list[Version](), set[RecentEdit]()
    for edit in recent:
        if edit not in done and len(versions) < EDITS:
            same = alike(edit, recent, text)
            done.update(same)
            versions.append(Version(uri, text, language, edit, typed, same))
    return versions


def _typed(recent: Sequence[RecentEdit]) -> tuple[tuple[int, int], ...]:
    """Where something stands that was typed lately."""
    return tuple((edit.start, edit.end) for edit in recent if edit.start < edit.end)
