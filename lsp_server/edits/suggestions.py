"""Edit suggestions for one client: block refills and rewrites on request, and next edits."""

from __future__ import annotations

from lsp_server.config import Config
from lsp_server.documents import DocumentStore, UnknownDocument
from lsp_server.edits.draft import Draft
from lsp_server.edits.next_edits import NextEdits
from lsp_server.edits.refills import Refills
from lsp_server.edits.rewrite import Rewrite, rewritten
from lsp_server.edits.text_work import TextWork
from lsp_server.exclude import Exclusion
from lsp_server.text import Text
from lsp_server.worker import Worker


class EditSuggestions:
    """What the settings allow, for the open documents."""

    def __init__(self, documents: DocumentStore, worker: Worker) -> None:
        self._documents = documents
        self._worker = worker
        self.next_edits = NextEdits(documents, worker, self._may_follow)
        self._rewriting: TextWork[Draft | None] = TextWork(documents)
        self._set(Config())

    def configure(self, config: Config) -> None:
        """From now on by these settings; what is worked on by others is given up."""
        self.cancel()
        self._set(config)

    def notice(self) -> None:
        """Documents were opened, changed or closed."""
        self.refills.notice()
        self._rewriting.notice()
        self.next_edits.notice()

    def is_welcome(self, uri: str) -> bool:
        """Whether anything may be suggested in a document: it is open, and nothing says that it is to be left alone."""
        try:
            document = self._documents.get(uri)
        except UnknownDocument:
            return False
        allowed = self._config.enabled and document.language_id not in self._config.disabled_languages
        return allowed and self._exclusion.reason(uri) is None

    @property
    def can_rewrite(self) -> bool:
        """Whether there is a model that follows instructions."""
        return self._worker.is_ready and self._worker.can_rewrite

    async def rewrite(self, text: Text, rewrite: Rewrite, instruction: str) -> Draft | None:
        """Some code of a document as an instruction wants it, or None where the model leaves it as it is.

        None too when another is asked for, or the document is edited, meanwhile. Raises ModelError.
        """
        key = (rewrite, instruction)
        return await self._rewriting.run(text, key, lambda: rewritten(rewrite, instruction, self._worker.ask))

    def cancel(self) -> None:
        """Stop what is worked on."""
        self.refills.cancel()
        self._rewriting.cancel()
        self.next_edits.cancel()

    def _set(self, config: Config) -> None:
        self._config = config
        self._exclusion = Exclusion(config.excluded)
        self.refills = Refills(self._documents, self._worker, self._exclusion, config.drafts)

    def _may_follow(self, uri: str) -> bool:
        return self._config.next_edits and self.is_welcome(uri)
