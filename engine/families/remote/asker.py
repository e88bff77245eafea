"""Asks a server: left alone for a while after it failed, and asked for less where it refuses something."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from threading import Event

from lacuna.engine.families.remote.backoff import Backoff
from lacuna.engine.families.remote.connection import Connection, RemoteError
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.dialects.completions import Completions
from lacuna.engine.families.remote.dialects.dialect import Dialect, Piece

REFUSED = 400

Body = Callable[[Dialect], Mapping[str, object] | None]


class Asker:
    """One server."""

    def __init__(self, connection: Connection, server: Server) -> None:
        self.server = server
        self._connection = connection
        self._backoff = Backoff()

    def pieces(
        self, body: Body, stop: Event | None, seconds: float = 0.0, *, is_extra: bool = False
    ) -> Generator[list[Piece]]:
        """Of each event of the answer to what `body` makes of the dialect; none where that is nothing. Whoever closes
        this makes the server leave off. `is_extra`: whether it fails says nothing of the server. Raises RemoteError
        and Stopped."""
        if is_extra:
            yield from self._asked(body, stop, seconds)
            return
        self._backoff.check()
        try:
            for some in self._asked(body, stop, seconds):
                self._backoff.answered()
                yield some
        except RemoteError as error:
            if not (error.is_late and seconds):  # it was given less time than a server may take
                self._backoff.failed(error)
            raise

    def _asked(self, body: Body, stop: Event | None, seconds: float) -> Generator[list[Piece]]:
        try:
            yield from self._streamed(body, stop, seconds)
        except RemoteError as error:
            less = self._asking_less()
            if error.status != REFUSED or less is None:
                raise
            for some in self._streamed(body, stop, seconds, less.dialect):
                self.server = less  # that was the reason
                yield some

    def _streamed(
        self, body: Body, stop: Event | None, seconds: float, dialect: Dialect | None = None
    ) -> Generator[list[Piece]]:
        dialect = dialect or self.server.dialect
        asked = body(dialect)
        if asked is None:
            return
        with closing(self._connection.stream(dialect.path_of(asked), asked, stop, seconds)) as events:
            for event in events:
                yield list(dialect.pieces(event))

    def _asking_less(self) -> Server | None:
        """Without something that a server may refuse; None where nothing is left of that."""
        dialect = self.server.dialect
        if isinstance(dialect, Completions) and dialect.has_log_probabilities:
            return replace(self.server, dialect=replace(dialect, has_log_probabilities=False))
        if isinstance(dialect, Chat) and not dialect.is_bare:
            return replace(self.server, dialect=replace(dialect, is_bare=True))
        return None
