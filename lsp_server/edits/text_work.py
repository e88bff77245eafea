"""Work about a document's text as it is: only the newest goes on, and only until the document changes or is closed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from lsp_server.documents import DocumentStore
from lsp_server.newest import Newest
from lsp_server.text import Text

Result = TypeVar("Result")


class TextWork(Generic[Result]):
    """At most one piece of work at a time, which may take seconds and would be thrown away after an edit."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._newest: Newest[Result] = Newest()
        self._text: Text | None = None  # that the newest work is about

    async def run(self, text: Text, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result | None:
        """The result of `work`; None, and at once, when other work is begun or the text is edited meanwhile.

        The same `key` of the same text again shares the work.
        """
        self._text = text
        return await self._newest.run((text, key), work)

    def notice(self) -> None:
        """Documents were opened, changed or closed."""
        if self._text is not None and not self._documents.has(self._text):
            self.cancel()

    def cancel(self) -> None:
        """Stop what is worked on."""
        self._newest.cancel()
        self._text = None
