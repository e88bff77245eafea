"""Edit suggestions for one client: block refills on request, and next edits."""

from __future__ import annotations

from lsp_server.config import Config
from lsp_server.documents import DocumentStore, UnknownDocument
from lsp_server.edits.next_edit import Ask
from lsp_server.edits.next_edits import NextEdits
from lsp_server.edits.refills import Refills
from lsp_server.exclude import Exclusion
from lsp_server.worker import Worker


class EditSuggestions:
    """What the settings allow, for the open documents."""

    def __init__(self, documents: DocumentStore, worker: Worker) -> None:
        self._documents = documents
        self._worker = worker
        self.next_edits = NextEdits(documents, worker, self._may_follow)
        self.configure(Config())

    def configure(self, config: Config) -> None:
        """From now on by these settings."""
        self._config = config
        self.next_edits.cancel()
        self._exclusion = Exclusion(config.excluded)
        self.refills = Refills(self._documents, self._worker, self._exclusion, config.drafts)

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

    @property
    def ask(self) -> Ask:
        """Has the engine do something."""
        return self._worker.ask

    def cancel(self) -> None:
        """Stop what is worked on."""
        self.refills.cancel()
        self.next_edits.cancel()

    def _may_follow(self, uri: str) -> bool:
        return self._config.next_edits and self.is_welcome(uri)
