"""Where a daemon listens, and who may talk to it there."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lacuna.lsp_server.daemon import dial, place, service
from lacuna.lsp_server.daemon.dial import NoDaemon, Refused, call
from lacuna.lsp_server.daemon.place import Info, NotOurs, Place
from lacuna.lsp_server.daemon.service import Daemon
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.server import create_server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="directories with modes")
TRANSPORTS = pytest.mark.parametrize("has_unix_sockets", [True, False], ids=["unix", "tcp"])


@pytest.fixture(autouse=True)
def runtime_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path_factory.mktemp("r", numbered=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
    return directory


@asynccontextmanager
async def daemon(monkeypatch: pytest.MonkeyPatch, has_unix_sockets: bool = True) -> AsyncIterator[Place]:
    """One in this process."""
    monkeypatch.setattr(dial, "HAS_UNIX_SOCKETS", has_unix_sockets)
    where, models = place.place(), Models()
    serving = asyncio.ensure_future(Daemon(where, models, create_server, has_unix_sockets).serve())
    while where.read_info() is None or (has_unix_sockets and not where.socket.exists()):
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield where
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        models.close()


def test_the_name_says_who_shares_a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    name = place.place().name
    assert place.place().name == name
    for variable in ("LACUNA_CACHE", "CUDA_VISIBLE_DEVICES", "HTTPS_PROXY", "https_proxy", "HOME"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "/elsewhere")
            assert place.place().name != name, variable
    for variable in ("LACUNA_TOKEN", "LACUNA_DAEMON", "TERM", "SSH_AUTH_SOCK", "MY_KEY"):
        monkeypatch.setenv(variable, "another")
        assert place.place().name == name, variable


def test_the_directory_is_the_users_alone(runtime_directory: Path) -> None:
    directory = place.place().directory
    assert directory == runtime_directory / "lacuna" and directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o755)  # as a program makes it that knows no better: nobody else can have written to it
    assert place.place().directory.stat().st_mode & 0o777 == 0o700
    for mode in (0o770, 0o777):
        directory.chmod(mode)
        with pytest.raises(NotOurs, match="alone"):
            place.place()


def test_a_link_to_a_directory_is_none_of_ours(runtime_directory: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (runtime_directory / "lacuna").symlink_to(tmp_path)
    with pytest.raises(NotOurs):
        place.place()


def test_where_the_system_has_no_runtime_directory_there_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    short = place.place().directory
    assert short == tmp_path / "c" / "lacuna" / "run"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("c" * 90)))
    assert len(os.fsencode(place.place().socket)) < place.MOST_PATH


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"process": 1, "other": 2}', "\xff"])
def test_an_info_that_is_none(text: str) -> None:
    where = place.place()
    where.info.write_text(text, encoding="latin-1")
    assert where.read_info() is None


def test_an_info_as_it_was_written() -> None:
    where, info = place.place(), Info(7, 1.5, 80, "token")
    where.write_info(info)
    assert where.read_info() == info and where.info.stat().st_mode & 0o777 == 0o600
    where.clear()
    where.clear()
    assert where.read_info() is None


@TRANSPORTS
async def test_who_calls_is_answered(monkeypatch: pytest.MonkeyPatch, has_unix_sockets: bool) -> None:
    async with daemon(monkeypatch, has_unix_sockets) as where:
        connection, said = await asyncio.to_thread(call, where, {"ask": "status"})
        connection.close()
        assert said["process"] == os.getpid() and said["editors"] == 0 and said["models"] == []


async def test_on_loopback_the_token_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with daemon(monkeypatch, False) as where:
        info = where.read_info()
        assert info is not None and info.port and len(info.token) > 30
        where.write_info(Info(info.process, info.created, info.port, "wrong"))
        with pytest.raises(NoDaemon):
            await asyncio.to_thread(call, where, {"ask": "status"})
        reader, writer = await asyncio.open_connection("127.0.0.1", info.port)
        writer.write(b'{"nonce": "1"}\n{"lacuna": 1, "token": "wrong", "ask": "status"}\n')
        assert await reader.readline() == json.dumps({"proof": dial.proof(info.token, "1")}).encode() + b"\n"
        assert await reader.read() == b"", "who only knows what was said is not answered"
        writer.close()


async def test_a_stranger_at_the_daemons_port_is_shown_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "HAS_UNIX_SOCKETS", False)
    heard = bytearray()

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readline())
        writer.write(b'{"proof": "0123"}\n')
        heard.extend(await reader.read())
        writer.close()

    async with await asyncio.start_server(stranger, "127.0.0.1", 0) as server:
        where = place.place()
        where.write_info(Info(os.getpid(), 0.0, server.sockets[0].getsockname()[1], "secret-token"))
        with pytest.raises(NoDaemon, match="another program"):
            await asyncio.to_thread(call, where, {"ask": "serve", "environment": {"KEY": "mine"}})
    assert b"secret-token" not in heard and b"mine" not in heard


@pytest.mark.parametrize(
    "said",
    [b"", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"lacuna": 99}\n', b'{"lacuna": 1, "ask": "x"}\n', b"\xff\n"],
)
async def test_who_says_something_else_is_turned_away(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(service, "GREETING_S", 0.3)
    async with daemon(monkeypatch) as where:
        reader, writer = await asyncio.open_unix_connection(where.socket)
        writer.write(said)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_another_users_connection_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        pytest.skip("the system does not say who it is")
    async with daemon(monkeypatch) as where:
        monkeypatch.setattr(dial, "peer", lambda connection: os.getuid() + 1)
        with pytest.raises(NoDaemon):
            await asyncio.to_thread(call, where, {"ask": "status"})


def test_the_user_at_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert dial.peer(one) in (os.getuid(), None)


async def test_there_are_only_so_many_editors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_SESSIONS", 1)
    async with daemon(monkeypatch) as where:
        first, _ = await asyncio.to_thread(call, where, {"ask": "serve"})
        with pytest.raises(Refused, match="1 editors"):
            await asyncio.to_thread(call, where, {"ask": "serve"})
        first.close()


async def test_a_daemon_that_nobody_needs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.02)
    monkeypatch.setattr(service, "LINGER_S", 0.5)
    where, models = place.place(), Models()
    serving = asyncio.ensure_future(Daemon(where, models, create_server).serve())
    await asyncio.sleep(0.2)
    editor, _ = await asyncio.to_thread(call, where, {"ask": "serve"})
    await asyncio.sleep(0.8)
    assert not serving.done(), "somebody is there"
    editor.close()
    async with asyncio.timeout(5):
        assert await serving == 0
    assert not where.socket.exists() and where.read_info() is None
    models.close()


async def test_one_that_was_installed_anew_ends_with_its_last_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    where, models = place.place(), Models()
    serving = asyncio.ensure_future(Daemon(where, models, create_server).serve())
    await asyncio.sleep(0.2)
    editor, _ = await asyncio.to_thread(call, where, {"ask": "serve"})
    monkeypatch.setattr(service, "_newest", lambda: 0.0)
    await asyncio.sleep(0.2)
    assert not serving.done()
    editor.close()
    async with asyncio.timeout(5):
        assert await serving == 0
    models.close()


async def test_what_another_daemon_has_written_since_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with daemon(monkeypatch) as where:
        other = Info(os.getpid() + 1, 0.0)
        where.write_info(other)
    assert json.loads(where.info.read_text())["process"] == other.process
