"""The drafts of the last few blocks: worked out once, however many of them are looked at."""

from __future__ import annotations

from collections import OrderedDict

from lsp_server.documents import DocumentStore, Snapshot
from lsp_server.edits.block import Block, without
from lsp_server.edits.draft import Draft
from lsp_server.edits.refill import Refill, context_of
from lsp_server.edits.text_work import TextWork
from lsp_server.exclude import Exclusion
from lsp_server.snippets import Snippets
from lsp_server.suggestion import Reason, Rejected
from lsp_server.text import Text
from lsp_server.worker import Worker

REMEMBERED = 6  # blocks

_Key = tuple[str, Text, Block]  # a `Text` equals itself alone: what was edited is another question


class Refills:
    """One draft at a time: who asks for another one is not interested in the one before."""

    def __init__(self, documents: DocumentStore, worker: Worker, exclusion: Exclusion, drafts: int) -> None:
        self._documents = documents
        self._worker = worker
        self._exclusion = exclusion
        self._snippets = Snippets(exclusion)
        self._drafts = drafts
        self._work: TextWork[Draft | Reason] = TextWork(documents)
        self._refills: OrderedDict[_Key, Refill] = OrderedDict()

    def count(self, snapshot: Snapshot, block: Block) -> int:
        """How many drafts there are for a block, of which one was asked for before; 0 where none was."""
        refill = self._refills.get((snapshot.uri, snapshot.text, block))
        return refill.count if refill is not None else 0

    async def draft(self, snapshot: Snapshot, block: Block, number: int) -> Draft | Reason | None:
        """A draft for a block, or why there is none. Raises ModelError.

        None when another is asked for, or the document is edited, meanwhile.
        """
        key = (snapshot.uri, snapshot.text, block)
        if key not in self._refills:
            refill = self._refill(snapshot, block)
            if isinstance(refill, Rejected):
                return refill.reason
            self._refills[key] = refill
            if len(self._refills) > REMEMBERED:
                self._refills.popitem(last=False)
        refill = self._refills[key]
        return await self._work.run(snapshot.text, (*key, number), lambda: refill.draft(number, self._worker))

    def notice(self) -> None:
        """Documents were opened, changed or closed."""
        self._work.notice()

    def cancel(self) -> None:
        """Stop what is worked on."""
        self._work.cancel()

    def _refill(self, snapshot: Snapshot, block: Block) -> Refill | Rejected:
        hollow = without(snapshot, block)
        context = context_of(snapshot, block, hollow, self._exclusion, self._worker.extent)
        if isinstance(context, Rejected):
            return context
        context = context.with_snippets(self._snippets.choose(hollow, self._documents))
        return Refill(snapshot, block, hollow, context, self._drafts)
