"""Bytes that are no messages: the server goes on with the next message, or ends; it never sits there deaf."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from planting import Repeated, cases
from watched_server import WatchedServer, framed

QUICK = [
    "lower case", "LF only", "three too small", "negative with a body", "length of 5,000 digits", "a line of 70,000",
]  # fmt: skip
OFF = {"enabled": False}  # no model: these are about the protocol
NOTE = b'{"jsonrpc":"2.0","method":"x/y","params":{}}'
SIZE = b"%d" % len(NOTE)


def with_header(header: bytes, body: bytes = NOTE) -> bytes:
    return header.replace(b"SIZE", b"%d" % len(body)) + body


# What is sent between two good messages. The second must be answered, or the process must end.
FRAMES: dict[str, bytes | Repeated] = {
    "lower case": with_header(b"content-length: SIZE\r\n\r\n"),
    "upper case": with_header(b"CONTENT-LENGTH: SIZE\r\n\r\n"),
    "mixed case": with_header(b"Content-length: SIZE\r\n\r\n"),
    "no space": with_header(b"Content-Length:SIZE\r\n\r\n"),
    "many spaces": with_header(b"Content-Length:      SIZE   \r\n\r\n"),
    "tab": with_header(b"Content-Length:\tSIZE\r\n\r\n"),
    "space before the colon": with_header(b"Content-Length : SIZE\r\n\r\n"),
    "space before the name": with_header(b" Content-Length: SIZE\r\n\r\n"),
    "folded": with_header(b"Content-Length:\r\n SIZE\r\n\r\n"),
    "LF only": with_header(b"Content-Length: SIZE\n\n"),
    "LF after CRLF": with_header(b"Content-Length: SIZE\r\n\n"),
    "CR only": with_header(b"Content-Length: SIZE\r\r"),
    "plus sign": with_header(b"Content-Length: +SIZE\r\n\r\n"),
    "leading zeros": with_header(b"Content-Length: 000000SIZE\r\n\r\n"),
    "underscores": with_header(b"Content-Length: 4_4\r\n\r\n"),
    "hexadecimal": with_header(b"Content-Length: 0x2c\r\n\r\n"),
    "decimal point": with_header(b"Content-Length: SIZE.0\r\n\r\n"),
    "Arabic digits": with_header("Content-Length: ٤٤\r\n\r\n".encode()),
    "superscript digits": with_header("Content-Length: ⁴⁴\r\n\r\n".encode()),
    "three too small": with_header(b"Content-Length: 41\r\n\r\n"),
    "one too small": with_header(b"Content-Length: 43\r\n\r\n"),
    "half": with_header(b"Content-Length: 22\r\n\r\n"),
    "three too large": with_header(b"Content-Length: 47\r\n\r\n"),
    "one too large": with_header(b"Content-Length: 45\r\n\r\n"),
    "zero with a body": with_header(b"Content-Length: 0\r\n\r\n"),
    "zero": b"Content-Length: 0\r\n\r\n",
    "negative with a body": with_header(b"Content-Length: -44\r\n\r\n"),
    "negative": b"Content-Length: -1\r\n\r\n",
    "empty length": with_header(b"Content-Length: \r\n\r\n"),
    "words for a length": with_header(b"Content-Length: forty\r\n\r\n"),
    "two lengths": with_header(b"Content-Length: SIZE\r\nContent-Length: SIZE\r\n\r\n"),
    "two lengths that differ": with_header(b"Content-Length: SIZE\r\nContent-Length: 7\r\n\r\n"),
    "two lengths that differ, the other way": with_header(b"Content-Length: 7\r\nContent-Length: SIZE\r\n\r\n"),
    "two lengths on a line": with_header(b"Content-Length: SIZE, SIZE\r\n\r\n"),
    "type first": with_header(
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: SIZE\r\n\r\n"
    ),
    "type utf8": with_header(b"Content-Length: SIZE\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n"),
    "unknown charset": with_header(b"Content-Length: SIZE\r\nContent-Type: a/b; charset=klingon\r\n\r\n"),
    "utf-16 charset": with_header(b"Content-Length: SIZE\r\nContent-Type: a/b; charset=utf-16\r\n\r\n"),
    "rot13 charset": with_header(b"Content-Length: SIZE\r\nContent-Type: a/b; charset=rot13\r\n\r\n"),
    "zlib charset": with_header(b"Content-Length: SIZE\r\nContent-Type: a/b; charset=zlib_codec\r\n\r\n"),
    "unknown header": with_header(b"X-Canary: 1\r\nContent-Length: SIZE\r\n\r\n"),
    "100 headers": with_header(b"X: y\r\n" * 100 + b"Content-Length: SIZE\r\n\r\n"),
    "100,000 headers": with_header(b"X: y\r\n" * 100_000 + b"Content-Length: SIZE\r\n\r\n"),
    "no length": with_header(b"Content-Type: text/plain\r\n\r\n"),
    "no header": NOTE,
    "no header, a line": NOTE + b"\r\n",
    "empty lines": b"\r\n" * 50,
    "LFs": b"\n" * 50,
    "NULs": b"\0" * 500,
    "NULs and a line end": b"\0" * 500 + b"\r\n",
    "bytes 0 to 255": bytes(range(256)),
    "byte order mark": b"\xef\xbb\xbf" + framed(NOTE),
    "garbage before the header": b"garbage" + framed(NOTE),
    "line of garbage before the header": b"garbage\r\n" + framed(NOTE),
    "HTTP": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n" + NOTE,
    "HTTP get": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "header without a colon": with_header(b"Content-Length SIZE\r\n\r\n"),
    "only a colon": with_header(b":\r\nContent-Length: SIZE\r\n\r\n"),
    "header outside ASCII": with_header("Cöntent-Length: SIZE\r\nContent-Length: SIZE\r\n\r\n".encode()),
    "a line of 60,000": with_header(b"X: " + b"y" * 60_000 + b"\r\nContent-Length: SIZE\r\n\r\n"),
    "a line of 70,000": with_header(b"X: " + b"y" * 70_000 + b"\r\nContent-Length: SIZE\r\n\r\n"),
    "a line of 1,000,000": with_header(b"X: " + b"y" * 1_000_000 + b"\r\nContent-Length: SIZE\r\n\r\n"),
    "no line end in 450 MB": Repeated(b"y" * 1_000_000, 450),
    "450 MB of headers": Repeated(b"X-Header: of some length\r\n" * 40_000, 450),
    "450 MB of empty headers": Repeated(b"\r\n" * 500_000, 450),
    "length of 4,000 digits": with_header(b"Content-Length: " + b"9" * 4_000 + b"\r\n\r\n"),
    "length of 5,000 digits": with_header(b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n"),
    "length of 5,000 zeros and the size": with_header(b"Content-Length: " + b"0" * 5_000 + b"SIZE\r\n\r\n"),
    "length of 2^63": with_header(b"Content-Length: 9223372036854775808\r\n\r\n"),
    "invalid UTF-8": framed(b'{"jsonrpc":"2.0","method":"x\xff"}'),
    "no JSON": framed(b"hello"),
    "half of JSON": framed(NOTE[:20]),
    "two JSONs": framed(NOTE + NOTE),
    "utf-16 JSON": framed(NOTE.decode().encode("utf-16")),
    "spaces around JSON": framed(b"  \r\n " + NOTE + b"\r\n"),
    "only spaces": framed(b"   "),
    "byte order mark in JSON": framed(b"\xef\xbb\xbf" + NOTE),
    "one byte": framed(b"{"),
}

# What a body that never comes to its end may cost: the process has to end with its client.
UNFINISHED: dict[str, bytes | Repeated] = {
    "half of a name": b"Content-Le",
    "half of a header": b"Content-Length: 44",
    "header without the empty line": b"Content-Length: 44\r\n",
    "no body": b"Content-Length: 44\r\n\r\n",
    "half of a body": b"Content-Length: 44\r\n\r\n" + NOTE[:20],
    "100 GB announced": b"Content-Length: 100000000000\r\n\r\n" + NOTE,
    "100 GB announced, 450 MB sent": Repeated(b"Content-Length: 100000000000\r\n\r\n" + b"x" * 1_000_000, 450),
    "8 MB announced, 1 MB sent": b"Content-Length: 8000000\r\n\r\n" + b"x" * 1_000_000,
}

QUICK = [
    "lower case",
    "LF only",
    "three too small",
    "negative with a body",
    "length of 5,000 digits",
    "a line of 70,000",
]


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    started = WatchedServer()
    started.initialize(OFF)
    started.statistics()
    started.mark()
    yield started
    started.kill()


def send(server: WatchedServer, data: bytes | Repeated) -> None:
    pieces = [data] if isinstance(data, bytes) else [data.piece] * data.times
    for piece in pieces:
        server.send(piece)


@pytest.mark.parametrize("data", cases(FRAMES, QUICK))
def test_after_bad_bytes_it_answers_or_ends(server: WatchedServer, data: bytes | Repeated) -> None:
    send(server, data)
    # A frame that was too long takes the beginning of the next; one after that is whole.
    numbers = [server.request("workspace/executeCommand", {"command": "lacuna.statistics"}) for _ in range(4)]
    server.any_answer(numbers)
    server.check_memory()
    server.goodbye()


@pytest.mark.parametrize("data", cases(UNFINISHED, ["half of a body", "100 GB announced"]))
def test_an_unfinished_message_ends_with_the_client(server: WatchedServer, data: bytes | Repeated) -> None:
    send(server, data)
    server.goodbye()
