"""Caches the candidates of the last few blocks."""

from __future__ import annotations

from collections import OrderedDict

from lacuna.lsp_server.documents.store import DocumentStore, Snapshot
from lacuna.lsp_server.documents.text import Text
from lacuna.lsp_server.edits.refill.block import Block, without
from lacuna.lsp_server.edits.refill.refill import Refill, question_of
from lacuna.lsp_server.infill.suggestion import Reason, Rejected
from lacuna.lsp_server.setup import Setup

REMEMBERED = 6  # blocks

_Key = tuple[str, Text, Block]  # a `Text` equals itself alone: what was edited is another question


class Refills:
    """Remembers what was asked for."""

    def __init__(self, documents: DocumentStore, setup: Setup) -> None:
        self._documents = documents
        self._setup = setup
        self._refills: OrderedDict[_Key, Refill] = OrderedDict()

    def count(self, snapshot: Snapshot, block: Block) -> int:
        """How many candidates there are for a block, of which one was asked for before; 0 where none was."""
        refill = self._refills.get((snapshot.uri, snapshot.text, block))
        return refill.count if refill is not None else 0

    def of(self, snapshot: Snapshot, block: Block) -> Refill | Reason:
        """What is known of a block's candidates, or why there can be none."""
        key = (snapshot.uri, snapshot.text, block)
        if key not in self._refills:
            refill = self._refill(snapshot, block)
            if isinstance(refill, Rejected):
                return refill.reason
            self._refills[key] = refill
            if len(self._refills) > REMEMBERED:
                self._refills.popitem(last=False)
        return self._refills[key]

    def _refill(self, snapshot: Snapshot, block: Block) -> Refill | Rejected:
        hollow = without(snapshot, block)
        question = question_of(snapshot, block, hollow, self._setup.exclusion, self._setup.worker.extent)
        if isinstance(question, Rejected):
            return question
        question = question.with_snippets(self._setup.snippets.choose(hollow, self._documents))
        return Refill(snapshot, block, hollow, question, self._setup.config.num_candidates)
