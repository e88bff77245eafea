"""`lacuna serve --tcp`: only who has the token is served, and nobody on another machine unless that is asked for."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator

import pytest
from command import lacuna
from raw_client import Answers, call, connected, frame, greeting, listening, serving

from lacuna.lsp_server.wire import tcp

STATISTICS = call("workspace/executeCommand", {"command": "lacuna.statistics"}, 7)
SETTINGS = json.dumps(call("workspace/didChangeConfiguration", {"settings": {"lacuna": {"enabled": False}}})).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[tuple[str, int], str]]:
    with listening() as found:
        yield found


def closed(answers: Answers) -> bool:
    return answers.next() is None


def test_who_shows_the_token_is_served(server: tuple[tuple[str, int], str]) -> None:
    address, token = server
    assert len(token) >= 32
    with connected(address) as (connection, answers):
        connection.sendall(greeting(token=token) + frame(STATISTICS))
        assert "result" in answers.until(0)
        assert "result" in answers.until(7)
        connection.sendall(frame(call("shutdown", None, 8)) + frame(call("exit")))
        assert answers.until(8)["result"] is None
        assert closed(answers)


@pytest.mark.parametrize("token", ["", "wrong", None, 5, ["x"], {"a": 1}, "é", "\ud800"])
def test_who_shows_another_is_not(server: tuple[tuple[str, int], str], token: object) -> None:
    address, _ = server
    with connected(address) as (connection, answers):
        connection.sendall(greeting(token=token) + frame(STATISTICS))
        assert [(answer["id"], answer["error"]["code"]) for answer in answers.rest()] == [(0, -32600)]


@pytest.mark.parametrize("options", [None, [], "x", {}, {"lacuna": {"token": "x"}}])
def test_options_without_a_token(server: tuple[tuple[str, int], str], options: object) -> None:
    address, _ = server
    params = {"processId": None, "capabilities": {}, "initializationOptions": options}
    with connected(address) as (connection, answers):
        connection.sendall(frame(call("initialize", params, 0)) + frame(STATISTICS))
        assert [answer["error"]["code"] for answer in answers.rest()] == [-32600]


def test_the_beginning_of_a_token_is_not_enough(server: tuple[tuple[str, int], str]) -> None:
    address, token = server
    for shown in (token[:-1], token + "x", token.swapcase()):
        with connected(address) as (connection, answers):
            connection.sendall(greeting(token=shown))
            assert [answer["error"]["code"] for answer in answers.rest()] == [-32600]


def test_nothing_is_served_before_the_token(server: tuple[tuple[str, int], str]) -> None:
    address, token = server
    with connected(address) as (connection, answers):
        connection.sendall(frame(SETTINGS) + frame(STATISTICS) + greeting(token=token))
        assert answers.until(7)["error"]["code"] == -32002
        assert "result" in answers.until(0)


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n",
        b"PUT /a%%20b HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
        b"Host: localhost\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nOrigin: https://example.org\r\n\r\n",
        b"content-length: %d\r\nreferer: https://example.org/\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\nContent-Length: %d\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: %d\r\n\r\n",
    ],
)
def test_what_a_browser_sends_is_refused_at_once(server: tuple[tuple[str, int], str], head: bytes) -> None:
    address, _ = server
    with connected(address) as (connection, answers):
        connection.sendall(head % len(SETTINGS))
        assert closed(answers), "before it has sent what it wanted to"


def test_a_large_message_of_a_stranger_is_not_read(server: tuple[tuple[str, int], str]) -> None:
    address, _ = server
    with connected(address) as (connection, answers):
        connection.sendall(b"Content-Length: %d\r\n\r\n" % (2 << 20))
        assert closed(answers)


def test_a_token_of_the_users_own() -> None:
    with listening(LACUNA_TOKEN="of my own") as (address, told):
        assert told == "that of LACUNA_TOKEN", "it is not printed"
        with connected(address) as (connection, answers):
            connection.sendall(greeting(token="of my own"))
            assert "result" in answers.until(0)


def test_connections_are_bounded_and_those_that_ended_make_room(server: tuple[tuple[str, int], str]) -> None:
    address, token = server
    crowd = [socket.create_connection(address) for _ in range(tcp.MAX_CLIENTS)]
    time.sleep(1)
    with connected(address) as (_, answers):
        assert closed(answers)
    for connection in crowd:
        connection.close()
    deadline = time.monotonic() + 30
    while True:
        with connected(address) as (connection, answers):
            connection.sendall(greeting(token=token))
            if (answer := answers.next()) is not None and "result" in answer:
                return
        assert time.monotonic() < deadline, "nobody is served any more"


async def test_who_does_not_say_who_it_is_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from lacuna.lsp_server.model.model_pool import Models
    from lacuna.lsp_server.server import create_server

    monkeypatch.setattr(tcp, "GREETING_S", 0.2)
    listener = tcp.Listener(lambda: create_server(Models()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    serving = asyncio.ensure_future(listener.serve(host, port))
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection(host, port)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    serving.cancel()
    await asyncio.wait([serving])


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1"])
def test_addresses_that_other_machines_reach_have_to_be_asked_for(host: str) -> None:
    done = lacuna("serve", "--tcp", f"{host}:0")
    assert done.returncode == 2
    assert "--allow-remote" in done.stderr and "Traceback" not in done.stderr


def test_they_can_be_asked_for() -> None:
    with serving("--tcp", "0.0.0.0:0", "--allow-remote", env={**os.environ}, stdin=None) as server:
        assert server.stderr is not None
        assert server.stderr.readline().startswith(b"listening on 0.0.0.0:")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_this_machine_need_not_be_asked_for(host: str) -> None:
    with serving("--tcp", f"{host}:0", stdin=None) as server:
        assert server.stderr is not None
        assert server.stderr.readline().startswith(b"listening on ")


def test_a_signal_ends_all_conversations() -> None:
    with serving("--tcp", "127.0.0.1:0", stdin=None) as server:
        assert server.stderr is not None
        address, token = (server.stderr.readline().decode().strip() for _ in range(2))
        host, _, port = address.removeprefix("listening on ").rpartition(":")
        with connected((host, int(port))) as (connection, answers):
            connection.sendall(greeting(token=token.removeprefix("token: ")))
            answers.until(0)
            server.terminate()
            assert server.ended() == 143
            assert closed(answers)
