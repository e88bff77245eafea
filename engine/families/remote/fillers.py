"""Which filler a server is asked by."""

from __future__ import annotations

from lacuna.engine.families.remote.chat_filler import ChatFiller
from lacuna.engine.families.remote.connection import Connection
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.filler import RemoteFiller


def filler(connection: Connection, server: Server) -> RemoteFiller:
    """The kind that the server's dialect allows."""
    kind = ChatFiller if isinstance(server.dialect, Chat) else RemoteFiller
    return kind(connection, server)
