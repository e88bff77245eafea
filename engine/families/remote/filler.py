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
    Surprise,
    anything,
)
from lacuna.engine.families.remote.answer import Answer
from lacuna.engine.families.remote.asker import Asker
from lacuna.engine.families.remote.connection import Connection, RemoteError
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects import chat
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.room import PREFIX, SUFFIX, Room
from lacuna.engine.families.remote.stable_prefix import StablePrefix
from lacuna.engine.families.shared.per_document import PerDocument

DOCUMENTS = 8
TEMPERATURE = 0.6  # of further candidates


class RemoteFiller:
    """Fills gaps; patches and surprises need more of a model than servers tell."""

    extent = Extent(2 * PREFIX, SUFFIX)

    def __init__(self, connection: Connection, server: Server) -> None:
        self._asker = Asker(connection, server)
        self._room = room = Room.of(server)
        self._prefixes = PerDocument(lambda: StablePrefix(room.prefix, room.middle), DOCUMENTS)

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
        best = self._fill(gap, asked, stop, on_frame)
        found = {one.text: one for one in (*self._others(gap, asked, stop), best)}
        return sorted(found.values(), key=lambda one: (not fits(one.text), one is not best, -one.confidence))

    @property
    def server(self) -> Server:
        """As it is asked now."""
        return self._asker.server

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
        cut = self._prefixes.of(document).cut(gap.prefix)
        return Asked(
            prefix=cut.prefix,
            middle=cut.middle,
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
            asking = [pool.submit(self._fill, gap, warm, stop, lambda frame: None, is_extra=True) for _ in range(count)]
        return [one.result() for one in asking if not isinstance(one.exception(), RemoteError)]

    def _fill(
        self, gap: Gap, asked: Asked, stop: Event | None, on_frame: Callable[[Frame], None], *, is_extra: bool = False
    ) -> Infill:
        """Of one request; an empty one where the hole cannot be told."""
        start = time.perf_counter()
        stops = (*asked.stops, *self.server.dialect.stops)
        # A chat's answer repeats what stands around the hole.
        answer = Answer() if self._fills_by_chat else Answer(stops, asked.suffix, gap.max_lines)
        with closing(self._asker.pieces(lambda dialect: dialect.body(asked), stop, is_extra=is_extra)) as events:
            for pieces in events:
                more = [answer.add(piece) for piece in pieces]
                on_frame(Frame(answer.steps, ((answer.text, True),)))
                if not all(more):
                    break
        text = answer.text
        if self._fills_by_chat:
            text = chat.filled(text, asked.before, asked.suffix) or ""
        timings = {"prefill": 0.0, "denoise": (time.perf_counter() - start) * 1000, "rerank": 0.0}
        return Infill(text, answer.confidence, answer.steps, answer.steps, answer.features, answer.pieces, timings)

    @property
    def _fills_by_chat(self) -> bool:
        return isinstance(self.server.dialect, Chat)
