"""How much is sent: what the server's context holds, and no more than it reads quickly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lacuna.engine.api import Snippet
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects.llama_cpp import LlamaCpp

PREFIX, SUFFIX, OTHERS = 6_000, 400, 6_000  # characters at most; of all other files together
# llama-server cuts what is longer than three quarters of its batch at the front, anew at every key.
LLAMA_CPP_PREFIX = 2_000
MIDDLE = 1_600  # of the prefix, behind the split
PER_TOKEN = 3  # characters, as few as code has, but for data and scripts of many signs
MARKERS = 30  # characters around another file
ANSWER = 256  # tokens that are left for it


@dataclass(frozen=True)
class Room:
    """Characters."""

    prefix: int
    middle: int  # of the prefix
    suffix: int
    others: int

    @staticmethod
    def of(server: Server) -> Room:
        most = LLAMA_CPP_PREFIX if isinstance(server.dialect, LlamaCpp) else PREFIX
        if not server.context:
            return Room(most, min(MIDDLE, most // 2), SUFFIX, OTHERS)
        left = max(PER_TOKEN * (server.context - ANSWER), PER_TOKEN * server.context // 2)
        suffix = min(SUFFIX, left // 8)
        prefix = min(most, (left - suffix) * 3 // 4)
        return Room(prefix, min(MIDDLE, prefix // 2), suffix, min(OTHERS, left - suffix - prefix))

    def snippets(self, some: Iterable[Snippet]) -> tuple[Snippet, ...]:
        """The last ones, which are the most useful, that fit together."""
        found, left = list[Snippet](), self.others
        for one in reversed(tuple(some)):
            size = len(one.text) + len(one.path) + MARKERS
            if size <= left:
                left -= size
                found.insert(0, one)
        return tuple(found)
