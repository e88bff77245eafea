"""Answers completion requests: the latest wins, type-through needs no model, and nothing comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from lacuna.lsp_server.completion.frames import Frames
from lacuna.lsp_server.completion.item_shape import ItemShape, start_column
from lacuna.lsp_server.completion.latest_only import LatestOnly
from lacuna.lsp_server.completion.prefetch import Prefetch
from lacuna.lsp_server.completion.request import Item, Request
from lacuna.lsp_server.completion.suggester import Suggester
from lacuna.lsp_server.completion.type_through import MAX_CLOSERS, Offer, TypeThrough
from lacuna.lsp_server.documents.store import Document, DocumentStore, Snapshot, UnknownDocument
from lacuna.lsp_server.documents.text import Place, Position
from lacuna.lsp_server.infill.question import Trigger
from lacuna.lsp_server.infill.suggestion import Reason, Suggestion
from lacuna.lsp_server.setup import Setup
from lacuna.lsp_server.telemetry.acceptance import Acceptance, Given
from lacuna.lsp_server.telemetry.statistics import Outcome, Record, Statistics

TREE_MS = 2.0  # for which a request waits for the tree of the latest text: with 1,000 lines 1 is enough

# Editors take down what they show for an empty list. These say nothing about what should be shown.
_WITHOUT_SAY = {
    Outcome.NOT_READY,
    Outcome.OFF,
    Outcome.NOT_OPEN,
    Outcome.OUTSIDE,
    Outcome.SUPERSEDED,
    Outcome.STALE,
    Reason.EXCLUDED,
}


@dataclass(frozen=True)
class _Found:
    """Suggestions, where they come from, and the document that they are for."""

    outcome: Outcome
    snapshot: Snapshot
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True)
class _Asked:
    """What a request is about."""

    snapshot: Snapshot
    selected: str  # of the menu's item: what is still missing in the text
    known: Offer | None  # from the type-through cache


class Completer:
    """Answers requests about the open documents."""

    def __init__(
        self,
        documents: DocumentStore,
        setup: Setup,
        statistics: Statistics,
        acceptance: Acceptance,
        frames: Frames,
    ) -> None:
        self._documents = documents
        self._statistics = statistics
        self._acceptance = acceptance
        self._frames = frames
        self._latest: LatestOnly[_Found | Outcome | Reason] = LatestOnly()
        self._ids = count(1)
        self._set(setup)

    def configure(self, setup: Setup) -> None:
        """From now on by these settings; what was suggested by others is forgotten."""
        self.cancel()
        self._set(setup)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is worked on."""
        return self._latest.is_busy

    def cancel(self) -> None:
        """Stop what is worked on; it is answered None."""
        self._latest.cancel()
        self._prefetch.stop()

    def closed(self, uri: str) -> None:
        """A document was closed."""
        self._type_through.forget(uri)
        self._prefetch.closed(uri)
        self._suggester.forget(uri)

    async def complete(self, request: Request, sync_ms: float = 0.0) -> list[Item] | None:
        """Suggestions, the best first; an empty list where there should be none; None where that cannot be said.

        They are for the text as it is now, before anything is awaited. A later request supersedes this one, which is
        answered None at once.
        `sync_ms` is for the log: what the last change took. Raises ModelError.
        """
        record = Record(request.trigger.value, milliseconds={"sync": sync_ms})
        try:
            result = await self._found(request, record)
            record.outcome = result.outcome if isinstance(result, _Found) else result
        except asyncio.CancelledError:
            record.outcome = Outcome.CANCELLED
            raise
        finally:
            self._statistics.add(record)
        if not isinstance(result, _Found):
            return None if result in _WITHOUT_SAY else []
        self._prefetch.follow(result.snapshot, result.suggestions[0])
        return [self._item(request, result.snapshot, one) for one in result.suggestions if _fits(request, one)]

    def look_ahead(self, uri: str, position: Position) -> None:
        """The cursor rests there: what a model reads around it is read before anybody types."""
        if not self.is_busy and not isinstance(self._fillable(uri, position), Outcome):
            self._prefetch.read(self._documents.snapshot(uri, position, 0.0))

    def _set(self, setup: Setup) -> None:
        self._config = setup.config
        self._suggester = Suggester(self._documents, setup)
        self._type_through = TypeThrough()
        self._prefetch = Prefetch(self._suggester, self._type_through)

    async def _found(self, request: Request, record: Record) -> _Found | Outcome | Reason:
        with record.stage("context"):
            asked = self._asked(request)
        if isinstance(asked, Outcome):
            return asked
        record.version = asked.snapshot.version
        if asked.known is not None and (asked.known.invoked or request.trigger is Trigger.AUTOMATIC):
            self._latest.cancel()
            return _Found(Outcome.RECALLED, asked.snapshot, asked.known.suggestions)
        # Ghost text and menu may ask for the same place at the same time.
        key = (replace(request, shape=ItemShape.CURSOR), asked.snapshot.text)
        found = await self._latest.run(key, lambda: self._find(request, asked, record))
        return Outcome.SUPERSEDED if found is None else found

    async def _find(self, request: Request, asked: _Asked, record: Record) -> _Found | Outcome | Reason:
        if request.trigger is Trigger.AUTOMATIC and self._config.debounce_ms:
            await asyncio.sleep(self._config.debounce_ms / 1000.0)
        with record.stage("context"):
            snapshot = self._snapshot_to_fill(asked)
        if snapshot is None:
            return Outcome.STALE
        self._prefetch.stop()
        with self._frames.watching(snapshot, request.position) as on_frame:
            found = await self._suggester.suggest(snapshot, request.trigger, record, on_frame)
        if found is Outcome.NOT_READY:
            self._prefetch.read(snapshot)
        if isinstance(found, Outcome | Reason):
            return found
        offer = _offer(asked, found, request.trigger)
        self._type_through.put(asked.snapshot, offer)
        return self._still_good(request, asked.snapshot, offer)

    def _snapshot_to_fill(self, asked: _Asked) -> Snapshot | None:
        """With a tree, and as if the menu's item had been taken. None where the document has changed since."""
        document = self._document(asked.snapshot.uri)
        if document is None or document.text is not asked.snapshot.text:
            return None
        snapshot = replace(asked.snapshot, parsed=document.tree(TREE_MS))
        return snapshot.insert(asked.selected) if asked.selected else snapshot

    def _asked(self, request: Request) -> _Asked | Outcome:
        if isinstance(refused := self._fillable(request.uri, request.position), Outcome):
            return refused
        snapshot = self._documents.snapshot(request.uri, request.position, 0.0)  # type-through needs no tree
        selected = self._missing(request, snapshot)
        if selected is None:
            return Outcome.MENU
        return _Asked(snapshot, selected, self._typed_through(snapshot, selected))

    def _fillable(self, uri: str, position: Position) -> Document | Outcome:
        """The document, or why nothing is suggested there."""
        document = self._document(uri)
        if document is None:
            return Outcome.NOT_OPEN
        if not self._config.enabled or document.language_id in self._config.disabled_languages:
            return Outcome.OFF
        return document if position.line < document.text.line_count else Outcome.OUTSIDE

    def _missing(self, request: Request, snapshot: Snapshot) -> str | None:
        """What taking the menu's selected item would put in at the cursor; None if it would change more than that."""
        if request.selected is None:
            return ""
        start = snapshot.text.place(request.selected.start, self._documents.encoding)
        if request.selected.end != request.position or not start <= snapshot.place:
            return None
        existing = snapshot.text.between(start, snapshot.place)
        goes_on = request.selected.text.startswith(existing) and "\n" not in request.selected.text
        return request.selected.text[len(existing) :] if goes_on else None

    def _typed_through(self, snapshot: Snapshot, selected: str) -> Offer | None:
        offer = self._type_through.find(snapshot)
        if offer is None or not selected:
            return offer
        going_on = tuple(one for one in offer.suggestions if one.text.startswith(selected) and one.text != selected)
        return replace(offer, suggestions=going_on) if going_on else None

    def _still_good(self, request: Request, snapshot: Snapshot, offer: Offer) -> _Found | Outcome:
        """An offer for a snapshot, in the document as it is now: without what was typed of it since, if no more was."""
        document = self._document(snapshot.uri)
        if document is not None and document.text is snapshot.text:
            return _Found(Outcome.SHOWN, snapshot, offer.suggestions)
        if document is not None and request.selected is None:
            for now in _typed_on(snapshot, document):
                left = self._type_through.find(now)
                if left is not None:
                    return _Found(Outcome.SHOWN, now, left.suggestions)
        return Outcome.STALE

    def _item(self, request: Request, snapshot: Snapshot, suggestion: Suggestion) -> Item:
        text, place, encoding = snapshot.text, snapshot.place, self._documents.encoding
        end = Place(place.line, place.column + suggestion.replaced)
        if request.selected is not None:  # editors want its range again, and its text at the start
            start = text.place(request.selected.start, encoding)
        else:
            column = start_column(request.shape, snapshot.current_line, place.column, suggestion.replaced)
            start = Place(place.line, column)
        existing = text.between(start, place)
        first, last = text.position(start, encoding), text.position(end, encoding)
        item = Item(next(self._ids), existing + suggestion.text, first, last)
        self._acceptance.give(item.id, Given(snapshot.uri, snapshot.offset, existing, suggestion.text))
        return item

    def _document(self, uri: str) -> Document | None:
        try:
            return self._documents.get(uri)
        except UnknownDocument:
            return None


def _offer(asked: _Asked, found: tuple[Suggestion, ...], trigger: Trigger) -> Offer:
    """What was found, from the cursor on. What is shown already stays what it was, others come to it."""
    shown = asked.known.suggestions if asked.known is not None else ()
    new = (replace(suggestion, text=asked.selected + suggestion.text) for suggestion in found)
    return Offer(tuple({one.text: one for one in (*shown, *new)}.values()), trigger is Trigger.INVOKED)


def _typed_on(snapshot: Snapshot, document: Document) -> Iterator[Snapshot]:
    """The document as it is now, with the cursor at the places where it may be.

    Nobody says where it is. It stands behind all that the text has grown by since, but for the closing signs that an
    editor puts behind it by itself.
    """
    text = document.text
    now = replace(snapshot, version=document.version, text=text, parsed=document.tree(0.0))
    end = snapshot.offset + len(text) - len(snapshot.text)
    for closers in range(MAX_CLOSERS + 1):
        line, column = text.place_at(end - closers)
        yield replace(now, line=line, column=column)


def _fits(request: Request, suggestion: Suggestion) -> bool:
    """Whether the editor can show it: with a menu's item selected, no more may be replaced than that would."""
    return request.selected is None or not suggestion.replaced
