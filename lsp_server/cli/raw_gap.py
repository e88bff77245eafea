"""A gap between two texts as they came from outside, and the way of the answer back to their line ends."""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.engine.api import Gap
from lacuna.lsp_server.documents.plain_text import plain
from lacuna.lsp_server.documents.text import Text, without_surrogates


@dataclass(frozen=True)
class RawGap:
    """A gap for the engine, whose lines end with `\\n`, and the line end of the texts it was made from."""

    gap: Gap
    newline: str

    @classmethod
    def between(cls, prefix: str, suffix: str, language: str, max_tokens: int) -> RawGap:
        """The gap between two texts with any line ends; `language` is a name of engine/text/languages.py's table, or
        ""."""
        newline = Text(prefix + suffix).newline if "\r" in prefix or "\r" in suffix else "\n"
        if prefix.endswith("\r") and suffix.startswith("\n"):
            prefix = prefix[:-1]  # a cut inside a line end stands before it, as an editor's cursor does
        return cls(Gap(_plain(prefix), _plain(suffix), language, max_tokens=max_tokens), newline)

    def answer(self, text: str) -> str:
        """A fill of the gap with the texts' own line ends."""
        return text.replace("\n", self.newline)


def _plain(text: str) -> str:
    return without_surrogates(plain(text))
