"""Text that could take the place of a piece of a document."""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.lsp_server.documents.text import Place


@dataclass(frozen=True)
class Replacement:
    """`text`, with the document's line ends, replaces what stands between `start` and `end`."""

    text: str
    start: Place
    end: Place
