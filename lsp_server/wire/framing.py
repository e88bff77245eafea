"""LSP's base protocol: headers, a blank line, and as many bytes as Content-Length says. Nothing is guessed."""

from __future__ import annotations

import asyncio
import re

MAX_MESSAGE = 128 << 20  # bytes; the largest file that is worth a suggestion is far smaller
MAX_HEADERS = 1 << 16  # bytes, of all headers of one message

_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*(.*?)[ \t]*")
_LENGTH = re.compile(rb"\d{1,18}")
_REQUEST_LINE = re.compile(rb"[A-Za-z]+ \S+ HTTP/[\d.]+")
_OF_HTTP = {b"host", b"origin", b"referer", b"user-agent", b"cookie"}  # a browser sends at least one of them


class BrokenFrame(Exception):
    """Where the next message begins can no longer be told; the message says why. The connection has to end."""


async def read_body(reader: asyncio.StreamReader, most: int = MAX_MESSAGE) -> bytes | None:
    """The next message's body; None where the stream ends, also in the middle of a message.

    Header names in any case, blanks around the colon and a bare `\\n` for a line's end are understood. Raises
    BrokenFrame, also for a message of more than `most` bytes, of which nothing is read.
    """
    try:
        length = await _read_headers(reader)
        if length is None:
            return None
        if length > most:
            raise BrokenFrame(f"a message of {length} bytes; at most {most} are read")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None


async def _read_headers(reader: asyncio.StreamReader) -> int | None:
    """The length that they give; None where the stream ends before they do."""
    length: int | None = None
    room = MAX_HEADERS
    while line := (await _read_line(reader, room)):
        room -= len(line)
        if not line.endswith(b"\n"):
            return None
        line = line.rstrip(b"\r\n")
        if line:
            length = _length(line, length)
        elif length is None:
            raise BrokenFrame("headers without Content-Length")
        else:
            return length
    return None


async def _read_line(reader: asyncio.StreamReader, room: int) -> bytes:
    try:
        line = await reader.readline()
    except ValueError:  # longer than the reader's own limit
        line = b""
        room = -1
    if len(line) > room:
        raise BrokenFrame(f"headers of more than {MAX_HEADERS} bytes")
    return line


def _length(line: bytes, known: int | None) -> int | None:
    """The length after one more header."""
    if _REQUEST_LINE.fullmatch(line):
        raise BrokenFrame("this is HTTP, and not a language server's client")
    header = _HEADER.fullmatch(line)
    if header is None:
        raise BrokenFrame("a line that is no header; was the Content-Length before it wrong?")
    name, value = header[1].lower(), header[2]
    if name in _OF_HTTP:
        raise BrokenFrame("this is HTTP, and not a language server's client")
    if name != b"content-length":
        return known
    if not _LENGTH.fullmatch(value):
        raise BrokenFrame("a Content-Length that is no number of bytes")
    if known not in (None, int(value)):
        raise BrokenFrame("two values of Content-Length")
    return int(value)
