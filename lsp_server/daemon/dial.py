"""Calls the daemon: a connection, and the line that each side says first."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
from contextlib import suppress
from typing import Any

from lacuna.lsp_server.daemon.place import HAS_UNIX_SOCKETS, VERSION, Place

CONNECT_S = 1.0
ANSWER_S = 5.0  # seconds that a daemon has to answer in; a frozen one does not
MOST_ANSWER = 1 << 16  # bytes


Connection = socket.socket
Answered = tuple[Connection, dict[str, Any]]


class NoDaemon(Exception):
    """Nobody listens there, or not in our language; the message says why."""


class Silent(NoDaemon):
    """Somebody listens there, and does not answer."""


class Refused(Exception):
    """The daemon is there, and does not want to; the message says why."""


def call(place: Place, question: dict[str, Any], patience: float = ANSWER_S) -> Answered:
    """A connection on which the daemon has answered a question, and its answer. Raises NoDaemon and Refused."""
    try:
        connection, token = _connected(place)
    except OSError as error:
        raise NoDaemon(f"nobody listens: {error}") from error
    try:
        connection.settimeout(patience)
        if HAS_UNIX_SOCKETS and peer(connection) not in (None, os.getuid()):
            raise NoDaemon("another user listens there")
        if token:
            _prove(connection, token)
        said = _said(connection, {"lacuna": VERSION, "token": token, **question})
        connection.settimeout(None)
    except (OSError, ValueError, NoDaemon) as error:
        connection.close()
        raise error if isinstance(error, NoDaemon) else Silent(f"no answer: {error}") from error
    if "refused" in said:
        connection.close()
        raise Refused(str(said["refused"]))
    return connection, said


def say_no_more(connection: Connection) -> None:
    """The other side is told that nothing else comes, and may go on."""
    with suppress(OSError):  # it is gone
        connection.shutdown(socket.SHUT_WR)


def hang_up(connection: Connection) -> None:
    """Whoever waits in another thread, to read or to write, waits no more."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def proof(token: str, nonce: str) -> str:
    """That who says it knows the token."""
    return hmac.new(token.encode(), nonce.encode(), "sha256").hexdigest()


def peer(connection: Connection) -> int | None:
    """The user at the other end of a Unix socket; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED") or connection.family != socket.AF_UNIX:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], "little")


def _connected(place: Place) -> tuple[Connection, str]:
    """And the token to show. Raises OSError."""
    if HAS_UNIX_SOCKETS:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(os.fspath(place.socket))
        except OSError:
            connection.close()
            raise
        return connection, ""
    info = place.read_info()
    if info is None:
        raise FileNotFoundError(f"{place.info} is not there")
    return socket.create_connection(("127.0.0.1", info.port), CONNECT_S), info.token


def _prove(connection: Connection, token: str) -> None:
    """The other side knows the token, which is not shown to it before. Raises NoDaemon."""
    nonce = secrets.token_hex(16)
    said = _said(connection, {"nonce": nonce})
    if not hmac.compare_digest(str(said.get("proof")), proof(token, nonce)):
        raise NoDaemon("another program listens at the daemon's port")


def _said(connection: Connection, question: dict[str, Any]) -> dict[str, Any]:
    """The line that is answered. Not a byte more is read. Raises OSError and ValueError."""
    connection.sendall(json.dumps(question).encode() + b"\n")
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte or len(line) > MOST_ANSWER:
            raise ConnectionError("the connection ended")
        line += byte
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("an answer that is none")
    return said
