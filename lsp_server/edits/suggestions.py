"""Edit suggestions for one client: block refills and rewrites on request, and next edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from lacuna.lsp_server.completion.latest_only import LatestOnly
from lacuna.lsp_server.documents.store import DocumentStore, Snapshot, UnknownDocument
from lacuna.lsp_server.documents.text import Position, Text
from lacuna.lsp_server.edits.next_edit.offers import Offer, Offers, Quiet
from lacuna.lsp_server.edits.next_edit.service import NextEdits
from lacuna.lsp_server.edits.refill.block import Block
from lacuna.lsp_server.edits.refill.refills import Refills
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.edits.rewrite import Rewrite, rewritten
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.setup import Setup

_Found = TypeVar("_Found", bound=Offer | Replacement | Quiet | Reason | None)


class EditSuggestions:
    """What the settings allow, for the open documents."""

    def __init__(self, documents: DocumentStore, setup: Setup) -> None:
        self._documents = documents
        self.offers = Offers()
        self._outcomes: Counter[str] = Counter()
        self._next_edits = NextEdits(documents, setup.worker, self._may_follow, self.offers)
        # One of each at a time: asking for another one supersedes the one before.
        self._refilling: LatestOnly[Replacement | Reason] = LatestOnly()
        self._rewriting: LatestOnly[Replacement | Reason] = LatestOnly()
        self._set(setup)

    def configure(self, setup: Setup) -> None:
        """From now on by these settings; what is worked on by others is given up."""
        self.cancel()
        self._set(setup)

    def notice(self) -> None:
        """Documents were opened, changed or closed."""
        for work in (self._refilling, self._rewriting):
            # It may take seconds, and would be thrown away after an edit.
            if isinstance(work.key, _About) and not self._documents.has(work.key.text):
                work.cancel()
        self._next_edits.notice()

    def is_welcome(self, uri: str) -> bool:
        """Whether anything may be suggested in a document: it is open, and nothing says that it is to be left alone."""
        try:
            document = self._documents.get(uri)
        except UnknownDocument:
            return False
        config = self._setup.config
        allowed = config.enabled and document.language_id not in config.disabled_languages
        return allowed and self._setup.exclusion.reason(uri) is None

    @property
    def can_rewrite(self) -> bool:
        """Whether there is a model that follows instructions; it may rest, and then be loaded for this."""
        worker = self._setup.worker
        return worker.can_rewrite and worker.phase not in (Phase.GONE, Phase.FAILED)

    async def next_edit(self, uri: str, position: Position) -> Offer | Quiet:
        """The edit to offer with the cursor at a position, or why there is none. Raises ModelError."""
        return self._counted(await self._next_edits.next(uri, position))

    def is_typing(self, uri: str, position: Position) -> bool:
        """Whether edits are offered for what is typed in a document, and the last one has put in text right before a
        position."""
        return self._may_follow(uri) and self._next_edits.is_typing(uri, position)

    def at_cursor(self, uri: str, text: str, start: Position, end: Position) -> Offer | None:
        """An offer to put a text in the place of what stands there on a line; None for one that was dismissed."""
        return self._next_edits.at_cursor(uri, text, start, end)

    def focus(self, uri: str | None) -> None:
        """The user looks at a document, or at none: no other one's next edits are wanted."""
        self._next_edits.focus(uri)

    def count_refills(self, snapshot: Snapshot, block: Block) -> int:
        """How many candidates there are for a block, of which one was asked for before; 0 where none was."""
        return self._refills.count(snapshot, block)

    async def refill(self, snapshot: Snapshot, block: Block, number: int) -> Replacement | Reason | None:
        """A candidate for a block, or why there is none. Raises ModelError.

        None when another is asked for, or the document is edited, meanwhile.
        """
        refill = self._refills.of(snapshot, block)
        if isinstance(refill, Reason):
            return self._counted(refill)
        worker = self._setup.worker
        about = _About(snapshot.text, (block, number))
        return self._counted(await self._refilling.run(about, lambda: refill.candidate(number, worker)))

    async def rewrite(self, text: Text, rewrite: Rewrite, instruction: str) -> Replacement | Reason | None:
        """Some code of a document as an instruction wants it, or why there is none. Raises ModelError.

        None when another is asked for, or the document is edited, meanwhile.
        """
        worker = self._setup.worker
        about = _About(text, (rewrite, instruction))
        return self._counted(await self._rewriting.run(about, lambda: rewritten(rewrite, instruction, worker)))

    def outcomes(self) -> dict[str, int]:
        """How often there was something to offer since the start, and how often not, by the reason."""
        return dict(self._outcomes.most_common())

    def cancel(self) -> None:
        """Stop what is worked on."""
        self._refilling.cancel()
        self._rewriting.cancel()
        self._next_edits.cancel()

    def _counted(self, found: _Found) -> _Found:
        if isinstance(found, Enum):
            self._outcomes[found.name.lower()] += 1
        elif found is not None:
            self._outcomes["found"] += 1
        return found

    def _set(self, setup: Setup) -> None:
        self._setup = setup
        self._refills = Refills(self._documents, setup)
        self._next_edits.use(setup.worker)

    def _may_follow(self, uri: str) -> bool:
        return self._setup.config.next_edits and self.is_welcome(uri)


@dataclass(frozen=True)
class _About:
    """What work is about: a text as it is (which equals itself alone), and what of it."""

    text: Text
    what: Hashable
