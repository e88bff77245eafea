"""A filler whose model runs on a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Event

from lacuna.engine.api import (
    Extent,
    Fits,
    Frame,
    Gap,
    Infill,
    Passage,
    Patch,
    Patched,
    RewriteRequest,
    Surprise,
    anything,
)
from lacuna.engine.families.remote.answer import Answer
from lacuna.engine.families.remote.backoff import Backoff
from lacuna.engine.families.remote.connection import Connection, RemoteError
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects import chat
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.stable_prefix import MOST, StablePrefix
from lacuna.engine.families.shared.per_document import PerDocument

SUFFIX = 600  # characters: with prefix first a server reads all of it again at every key
OTHERS = 6_000  # characters of other files
DOCUMENTS = 8
TEMPERATURE = 0.6  # of further candidates
REWRITE_TOKENS = 2048


class RemoteFiller:
    """Fills gaps; patches and surprises need more of a model than servers tell."""

    extent = Extent(MOST * 2, SUFFIX)

    def __init__(self, connection: Connection, server: Server) -> None:
        self.server = server
        self._connection = connection
        self._backoff = Backoff()
        self._prefixes = PerDocument(StablePrefix, DOCUMENTS)

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        num_candidates: int = 1,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        fits: Fits = anything,
    ) -> list[Infill]:
        """The likeliest one; where somebody wants to choose, others beside it, at a temperature. Raises RemoteError."""
        asked = self._asked(gap, document)
        count = max(1, gap.n_best)
        with ThreadPoolExecutor(count) as pool:
            others = [
                pool.submit(self._fill, gap, asked, TEMPERATURE, stop, lambda frame: None) for _ in range(count - 1)
            ]
            found = [self._fill(gap, asked, 0.0, stop, on_frame), *(other.result() for other in others)]
        distinct = list({one.text: one for one in reversed(found)}.values())
        return sorted(distinct, key=lambda one: (not fits(one.text), -one.confidence))

    def prefill(self, gap: Gap, *, document: str = "", stop: Event | None = None) -> None:
        """Nothing: the server is not asked before somebody types, others may use it."""

    def close(self, document: str) -> None:
        """Where what is sent of it began."""
        self._prefixes.forget(document)

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """None: servers score no text that they have not written."""
        return Patched((), 0, 0)

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """None, as above."""
        return ()

    def _asked(self, gap: Gap, document: str) -> Asked:
        return Asked(
            prefix=self._prefixes.of(document).cut(gap.prefix),
            suffix=gap.suffix[:SUFFIX],
            max_tokens=gap.max_tokens,
            snippets=tuple(one for one in gap.snippets if len(one.text) <= OTHERS),
            path=gap.path,
            stops=("\n",) if gap.max_lines == 1 else (),
        )

    def _fill(
        self, gap: Gap, asked: Asked, temperature: float, stop: Event | None, on_frame: Callable[[Frame], None]
    ) -> Infill:
        start = time.perf_counter()
        answer = self._answer(replace(asked, temperature=temperature), gap.max_lines, stop, on_frame)
        text = answer.text
        if self._fills_by_chat:
            text = chat.filled(text, asked.prefix, asked.suffix) or ""
        timings = {"prefill": 0.0, "denoise": (time.perf_counter() - start) * 1000, "rerank": 0.0}
        return Infill(text, answer.confidence, answer.steps, answer.steps, answer.features, answer.pieces, timings)

    def _answer(self, asked: Asked, max_lines: int, stop: Event | None, on_frame: Callable[[Frame], None]) -> Answer:
        """Of one request; an empty one where the hole cannot be told."""
        dialect = self.server.dialect
        # A chat's answer repeats what stands around the hole.
        answer = Answer() if self._fills_by_chat else Answer((*asked.stops, *dialect.stops), asked.suffix, max_lines)
        body = dialect.body(asked)
        if body is None:
            return answer
        self._backoff.check()
        try:
            with closing(self._connection.stream(dialect.path, body, stop)) as events:
                for event in events:
                    more = [answer.add(piece) for piece in dialect.pieces(event)]
                    on_frame(Frame(answer.steps, ((answer.text, True),)))
                    if not all(more):
                        break
        except RemoteError as error:
            self._backoff.failed(error)
            raise
        self._backoff.answered()
        return answer

    @property
    def _fills_by_chat(self) -> bool:
        return isinstance(self.server.dialect, Chat)


class ChatFiller(RemoteFiller):
    """One whose model follows instructions."""

    def rewrite(
        self, request: RewriteRequest, *, stop: Event | None = None, on_text: Callable[[str], None] = lambda text: None
    ) -> str:
        """Raises RemoteError, and Stopped."""
        dialect = self.server.dialect
        assert isinstance(dialect, Chat), "only a chat rewrites"
        text = ""
        with closing(self._connection.stream(dialect.path, dialect.rewriting(request, REWRITE_TOKENS), stop)) as events:
            for event in events:
                text += "".join(piece.text for piece in dialect.pieces(event))
                on_text(chat.unwrapped(text))
        return chat.unwrapped(text)


def filler(connection: Connection, server: Server) -> RemoteFiller:
    """The kind that a server's dialect allows."""
    return ChatFiller(connection, server) if isinstance(server.dialect, Chat) else RemoteFiller(connection, server)
