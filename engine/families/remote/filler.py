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
from lacuna.engine.families.remote.dialects.completions import Completions
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.room import PREFIX, SUFFIX, Room
from lacuna.engine.families.remote.stable_prefix import StablePrefix
from lacuna.engine.families.shared.per_document import PerDocument

DOCUMENTS = 8
TEMPERATURE = 0.6  # of further candidates
REWRITE_TOKENS, REWRITE_SECONDS = 2048, 300.0
REFUSED = 400


class RemoteFiller:
    """Fills gaps; patches and surprises need more of a model than servers tell."""

    extent = Extent(2 * PREFIX, SUFFIX)

    def __init__(self, connection: Connection, server: Server) -> None:
        self.server = server
        self._connection = connection
        self._backoff = Backoff()
        self._room = room = Room.of(server)
        self._prefixes = PerDocument(lambda: StablePrefix(room.prefix), DOCUMENTS)

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
        """The likeliest one; where somebody wants to choose (`n_best`, `num_candidates` is not heeded: a server's work
        is not ours to spend), others beside it, at a temperature. Raises RemoteError."""
        asked = self._asked(gap, document)
        self._backoff.check()
        try:
            best = self._fill(gap, asked, stop, on_frame)
        except RemoteError as error:
            self._backoff.failed(error)
            raise
        self._backoff.answered()
        found = {one.text: one for one in (*self._others(gap, asked, stop), best)}
        return sorted(found.values(), key=lambda one: (not fits(one.text), one is not best, -one.confidence))

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
            suffix=gap.suffix[: self._room.suffix],
            max_tokens=gap.max_tokens,
            snippets=self._room.snippets(gap.snippets),
            path=gap.path,
            stops=("\n",) if gap.max_lines == 1 else (),
        )

    def _others(self, gap: Gap, asked: Asked, stop: Event | None) -> list[Infill]:
        """At a temperature, side by side, as the server now has the prompt; those that fail are none."""
        count, warm = gap.n_best - 1, replace(asked, temperature=TEMPERATURE)
        if count < 1:
            return []
        with ThreadPoolExecutor(count) as pool:
            asking = [pool.submit(self._fill, gap, warm, stop, lambda frame: None) for _ in range(count)]
        return [one.result() for one in asking if not isinstance(one.exception(), RemoteError)]

    def _fill(self, gap: Gap, asked: Asked, stop: Event | None, on_frame: Callable[[Frame], None]) -> Infill:
        start = time.perf_counter()
        try:
            answer = self._answer(asked, gap.max_lines, stop, on_frame)
        except RemoteError as error:
            less = self._asking_less()
            if error.status != REFUSED or less is None:
                raise
            before, self.server = self.server, less
            try:
                answer = self._answer(asked, gap.max_lines, stop, on_frame)
            except RemoteError:  # that was not the reason
                self.server = before
                raise
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
        with closing(self._connection.stream(dialect.path, body, stop)) as events:
            for event in events:
                more = [answer.add(piece) for piece in dialect.pieces(event)]
                on_frame(Frame(answer.steps, ((answer.text, True),)))
                if not all(more):
                    break
        return answer

    def _asking_less(self) -> Server | None:
        """Without something that a server may refuse; None where nothing is left of that."""
        dialect = self.server.dialect
        if isinstance(dialect, Completions) and dialect.has_log_probabilities:
            return replace(self.server, dialect=replace(dialect, has_log_probabilities=False))
        if isinstance(dialect, Chat) and not dialect.is_bare:
            return replace(self.server, dialect=replace(dialect, is_bare=True))
        return None

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
        body = dialect.rewriting(request, REWRITE_TOKENS)
        with closing(self._connection.stream(dialect.path, body, stop, REWRITE_SECONDS)) as events:
            for event in events:
                text += "".join(piece.text for piece in dialect.pieces(event))
                on_text(chat.unwrapped(text))
        return chat.unwrapped(text)


def filler(connection: Connection, server: Server) -> RemoteFiller:
    """The kind that a server's dialect allows."""
    return ChatFiller(connection, server) if isinstance(server.dialect, Chat) else RemoteFiller(connection, server)
