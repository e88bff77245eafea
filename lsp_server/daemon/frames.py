"""Messages as they stand in a stream: read whole, and passed on as they came."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

MOST_HEADERS = 1 << 16  # bytes
MOST_BODY = 128 << 20  # bytes

_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$")
_BLANK = re.compile(rb"\r?\n\r?\n")


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def frames(read: Callable[[], bytes]) -> Iterator[tuple[bytes, bytes | None]]:
    """The bytes of each message, and its body. What is none is passed on as it comes, without a body: who gets it
    says what is wrong with it. `read` returns nothing at the end."""
    buffer = bytearray()
    while chunk := read():
        buffer += chunk
        while (size := _first(buffer)) is not None:
            head, body = size
            if len(buffer) < head + body:
                break
            yield bytes(buffer[: head + body]), bytes(buffer[head : head + body])
            del buffer[: head + body]
        else:
            if _BLANK.search(buffer, 0, MOST_HEADERS) or len(buffer) > MOST_HEADERS:
                break
    yield bytes(buffer), None
    while chunk := read():
        yield chunk, None


def _first(buffer: bytearray) -> tuple[int, int] | None:
    """How long the headers and the body of the first message are; None where its headers are not whole, or none."""
    end = _BLANK.search(buffer, 0, MOST_HEADERS)
    if end is None:
        return None
    length = _LENGTH.search(buffer, 0, end.end())
    if length is None or int(length[1]) > MOST_BODY:
        return None
    return end.end(), int(length[1])
