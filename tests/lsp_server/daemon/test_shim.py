"""Editors on stdio, whose servers are parts of one daemon. Real processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from language_client import started
from raw_client import PATIENCE, Server, call, frame, serving, until

from lacuna.lsp_server.daemon.dial import NoDaemon
from lacuna.lsp_server.daemon.dial import call as asked
from lacuna.lsp_server.daemon.place import Info, Place, place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
GOODBYE = frame(call("shutdown", None, 8)) + frame(call("exit"))
# A shim that looks often, so that a test need not wait.
HASTY = """
from lacuna.lsp_server.daemon import dial, launch, shim
shim.LOOK_S, shim.SILENT_S = 0.05, 0.3
launch.call = shim.call = lambda place, question: dial.call(place, question, 0.5)
shim.run("", "")
"""
# A daemon whose `lacuna.statistics` takes two seconds, in which it says nothing else.
SLOW = """
import asyncio, sys
from lacuna.lsp_server import handlers
from lacuna.lsp_server.daemon import place
from lacuna.lsp_server.protocol import names
from lacuna.lsp_server.server import serve_daemon
async def slow(ls):
    await asyncio.sleep(2)
handlers.COMMANDS[names.STATISTICS] = slow
serve_daemon(place.place(), lambda: print("listens", flush=True))
"""
PROMPT = "def area(width, height):\n    return "


@pytest.fixture(autouse=True)
def where(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of the test's own, at whose end no daemon is left."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))
    monkeypatch.setenv("LACUNA_DAEMON", "on")
    found = place()
    yield found
    for process in daemons(found):
        with suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(PATIENCE)


def daemons(where: Place) -> list[psutil.Process]:
    """All that were started for a place."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if command[-2:-1] == ["lacuna.lsp_server.daemon"] and command[-1].startswith(where.name):
                found.append(process)
        except psutil.Error:
            continue
    return found


def info(where: Place) -> Info:
    found = where.read_info()
    assert found is not None
    return found


def status(where: Place) -> dict[str, object]:
    connection, said = asked(where, {"ask": "status"})
    connection.close()
    return said


def has_editors(where: Place, count: int) -> bool:
    try:
        return status(where)["editors"] == count
    except NoDaemon:  # it is being started
        return False


def ask(server: Server, id: int) -> dict[str, object]:
    """That the session is there: its counts."""
    server.send(call("workspace/executeCommand", {"command": "lacuna.statistics"}, id))
    return server.answers.until(id)


async def test_two_editors_have_one_model(where: Place, embedded_model: Path) -> None:
    async with started() as (one, _), started() as (other, _):
        await one.until("ready")
        await other.until("ready")
        said = await asyncio.to_thread(status, where)
        assert said["editors"] == 2 and said["models"] == [f"{embedded_model.name}: ready"]
        assert len(daemons(where)) == 1
        for client in (one, other):
            client.open(PROMPT)
            assert await client.ask(1, 11, invoked=True)


async def test_settings_and_documents_are_each_editors_own(embedded_model: Path) -> None:
    async with started() as (one, _), started({"enabled": False}) as (other, _):
        one.open(PROMPT)
        await one.until("ready")
        await other.until("off")
        assert await one.ask(1, 11, invoked=True)
        assert (await one.statistics())["requests"] == 1 and (await other.statistics())["requests"] == 0


def test_many_starts_at_once_make_one_daemon(where: Place) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(12) as pool:
        servers = [stack.enter_context(serving()) for _ in range(12)]
        list(pool.map(lambda server: server.greet(), servers))
        assert len(daemons(where)) == 1 and status(where)["editors"] == 12


async def test_a_killed_daemon_is_replaced_and_knows_the_documents(where: Place, embedded_model: Path) -> None:
    async with started() as (client, _):
        client.open("def area(width, height):\n    ")
        client.change(1, 4, "return ")
        await client.until("ready")
        before = await client.ask(1, 11, invoked=True)
        waiting = client.ask(1, 11, invoked=True)
        first = info(where)
        os.kill(first.process, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            [answer] = await asyncio.gather(waiting, return_exceptions=True)
            assert "started anew" in str(answer) or texts(answer) == texts(before)  # it may have come before
            client.states.clear()
            await client.until("ready")
            assert texts(await client.ask(1, 11, invoked=True)) == texts(before) != []
        assert info(where).process != first.process


def texts(items: Any) -> list[str]:
    return [item.insert_text for item in items]


def test_a_killed_daemon_without_a_session_is_replaced(where: Place) -> None:
    with serving() as server:
        server.greet()
        first = daemons(where)
        server.send(GOODBYE)
        assert server.ended() == 0
    first[0].kill()
    first[0].wait(PATIENCE)
    assert where.socket.exists(), "which nobody listens at"
    with serving() as server:
        server.greet()
        assert len(daemons(where)) == 1


def test_a_frozen_daemon_is_replaced(where: Place) -> None:
    with serving(command=[sys.executable, "-c", HASTY]) as server:
        server.greet()
        frozen = daemons(where)[0]
        frozen.suspend()
        server.send(call("workspace/executeCommand", {"command": "lacuna.statistics"}, 5))
        answer = server.answers.until(5)
        assert answer["error"]["code"] == -32801
        assert "result" in ask(server, 6) and info(where).process != frozen.pid
        until(lambda: not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE)


def test_a_daemon_that_answers_late_is_left(where: Place) -> None:
    slow = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE)
    try:
        assert slow.stdout is not None and slow.stdout.readline() == b"listens\n"
        with serving(command=[sys.executable, "-c", HASTY]) as server:
            server.greet()
            assert "result" in ask(server, 5) and info(where).process == slow.pid
    finally:
        slow.kill()
        slow.communicate()


def test_a_frozen_daemon_does_not_stay_where_another_editor_has_come(where: Place) -> None:
    with serving(command=[sys.executable, "-c", HASTY]) as one, serving(command=[sys.executable, "-c", HASTY]) as other:
        one.greet()
        frozen = daemons(where)[0]
        frozen.suspend()
        other.greet()
        assert info(where).process != frozen.pid and "result" in ask_until_answered(one)
        until(lambda: len(daemons(where)) == 1 and status(where)["editors"] == 2)


def test_a_frozen_daemon_is_found_by_who_cannot_send(where: Place) -> None:
    with serving(command=[sys.executable, "-c", HASTY]) as server:
        server.greet()
        frozen = daemons(where)[0]
        frozen.suspend()
        item = {"uri": "untitled:a.txt", "languageId": "plaintext", "version": 1, "text": "x" * 3_000_000}
        server.send(call("textDocument/didOpen", {"textDocument": item}))
        assert "result" in ask_until_answered(server) and info(where).process != frozen.pid


def test_half_a_message_of_a_dying_daemon_does_not_reach_the_editor(where: Place) -> None:
    def dying() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as stream:
            stream.readline()
            connection.sendall(json.dumps({"process": os.getpid(), "created": 0.0}).encode() + b"\n")
            stream.readline()
            connection.sendall(frame({"jsonrpc": "2.0", "id": 0, "result": {}}) + frame({"more": 1})[:-3])
            listening.close()
            where.clear()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(where.socket))
        listening.listen()
        threading.Thread(target=dying, daemon=True).start()
        with serving() as server:
            server.greet()
            assert "result" in ask_until_answered(server) and info(where).process != os.getpid()


def test_a_session_that_kills_its_daemon_again_and_again_is_left_alone_with_it(where: Place) -> None:
    """And whoever asks nothing meanwhile stays where all are."""

    def kill(place: Place) -> None:
        process = psutil.Process(info(place).process)
        process.suspend()
        server.send(call("workspace/executeCommand", {"command": "lacuna.statistics"}, 7))
        time.sleep(0.3)
        process.kill()

    with serving() as server, serving() as other:
        server.greet()
        other.greet()
        for _ in range(4):
            kill(where)
            assert "result" in ask_until_answered(server)
        own = where.of_one(server.pid)
        until(lambda: has_editors(where, 1) and has_editors(own, 1))
        assert info(own).process != info(where).process and "result" in ask_until_answered(other)
        for _ in range(3):
            kill(own)
            assert "result" in ask_until_answered(server)
        kill(own)
        assert server.ended() == 1
        assert "result" in ask(other, 6)


def test_a_daemon_that_dies_before_anything_was_said_is_replaced(where: Place) -> None:
    with serving() as server:
        for _ in range(2):
            until(lambda: where.socket.exists() and has_editors(where, 1))
            os.kill(info(where).process, signal.SIGKILL)
            where.clear()
        server.greet()
        assert "result" in ask(server, 5)


def test_where_the_directory_was_cleaned_up_there_is_another(where: Place) -> None:
    with serving() as server:
        server.greet()
        first = info(where)
        shutil.rmtree(where.directory)
        os.kill(first.process, signal.SIGKILL)
        assert "result" in ask_until_answered(server)
        assert where.directory.stat().st_mode & 0o777 == 0o700


def test_the_daemon_is_no_editors_child(where: Place) -> None:
    with serving() as server:
        server.greet()
        assert not psutil.Process(server.pid).children(recursive=True)


def ask_until_answered(server: Server) -> dict[str, object]:
    """What was asked of the one that was killed is answered with an error."""
    for id in range(100, 200):
        answer = ask(server, id)
        if "result" in answer:
            return answer
        assert answer["error"]["code"] == -32801  # type: ignore[index]
    raise AssertionError("it was never answered")


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (GOODBYE, 0),
        (frame(call("exit")), 1),
        (frame(call("shutdown", None, 8)), 0),
        (b"", 1),
        (b"Content-Length: 99\r\n\r\n{", 1),
        (b"GET / HTTP/1.1\r\n\r\n", 1),
    ],
    ids=["goodbye", "exit", "shutdown", "nothing", "half a message", "no message"],
)
def test_how_the_session_ended_is_the_exit_code(where: Place, last: bytes, code: int) -> None:
    with serving() as server:
        server.greet()
        server.send(last)
        assert server.stdin is not None
        server.stdin.close()
        assert server.ended() == code and "Traceback" not in server.errors
        until(lambda: status(where)["editors"] == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_session_and_not_the_daemon(where: Place, number: signal.Signals) -> None:
    with serving() as server:
        server.greet()
        server.send_signal(number)
        assert server.ended() == 128 + number
        until(lambda: status(where)["editors"] == 0)


def test_with_its_editors_process_the_session_ends(where: Place) -> None:
    editor = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    with serving() as server:
        server.greet(editor.pid)
        editor.kill()
        editor.wait()
        assert server.ended() == 128 + signal.SIGTERM
        until(lambda: status(where)["editors"] == 0)


def test_where_the_directory_is_not_safe_an_editor_has_a_server_of_its_own(where: Place) -> None:
    where.directory.chmod(0o777)
    with serving() as server:
        server.greet()
        assert "result" in ask(server, 5)
        server.send(GOODBYE)
        assert server.ended() == 0 and "no daemon" in server.errors and "mode 700" in server.errors
    assert not daemons(where)


@pytest.mark.parametrize("switch", [["--no-daemon"], []], ids=["option", "variable"])
def test_who_wants_none_has_a_server_of_its_own(
    where: Place, switch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not switch:
        monkeypatch.setenv("LACUNA_DAEMON", "off")
    with serving(*switch) as server:
        server.greet()
        assert not daemons(where)


def test_the_shim_imports_next_to_nothing() -> None:
    code = (
        "import sys; from lacuna.lsp_server import entry; from lacuna.lsp_server.daemon import shim\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - {*sys.stdlib_module_names})"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.split() if not name.startswith(("_", "editable_finder"))}
    assert found == {"lacuna", "platformdirs"}


def lacuna_daemon(*arguments: str) -> str:
    command = [sys.executable, "-m", "lacuna.lsp_server", "daemon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def test_status_and_stop(where: Place) -> None:
    assert "There is no daemon" in lacuna_daemon("status")
    with serving() as server:
        server.greet()
        [said] = json.loads(lacuna_daemon("status", "--json"))
        assert said["editors"] == 1 and said["process"] == info(where).process
        assert f"process {said['process']}: 1 editors" in lacuna_daemon("status")
        assert str(said["process"]) in lacuna_daemon("stop")
        assert "result" in ask_until_answered(server), "the editor goes on"
        assert info(where).process != said["process"]


def test_one_that_does_not_answer_is_stopped_all_the_same(where: Place) -> None:
    with serving() as server:
        server.greet()
        frozen = daemons(where)[0]
        frozen.suspend()
        assert str(frozen.pid) in lacuna_daemon("stop")
        assert frozen.wait(PATIENCE) is not False


def test_sessions_that_come_and_go_leave_nothing(where: Place) -> None:
    def session() -> None:
        connection, _ = asked(where, {"ask": "serve"})
        with connection, connection.makefile("rb") as stream:
            connection.sendall(frame(call("initialize", {"processId": None, "capabilities": {}}, 0)))
            assert b"Content-Length" in stream.readline()

    with serving() as server:
        server.greet()
        process = daemons(where)[0]
        measured = [_after(session, 100, process) for _ in range(3)]
    (_, _, before), (files, threads, after) = measured[0], measured[-1]
    assert files <= measured[0][0] and threads <= measured[0][1]
    assert after - before < 4 << 20, "200 sessions"


def _after(session: Callable[[], None], count: int, process: psutil.Process) -> tuple[int, int, int]:
    for _ in range(count):
        session()
    time.sleep(0.5)
    return process.num_fds(), process.num_threads(), process.memory_info().rss


@pytest.mark.parametrize("first", [{}, {"TESTS_KEY": "k-123"}], ids=["without", "with"])
async def test_a_key_in_an_editors_environment_is_its_own(where: Place, first: dict[str, str]) -> None:
    """Whichever has started the daemon."""
    settings = {"engineUrl": "http://127.0.0.1:1", "engineKey": "env:TESTS_KEY"}
    second = {"TESTS_KEY": "k-123"} if not first else {}
    async with started(settings, **first) as (one, _), started(settings, **second) as (other, _):
        await one.until("error")
        await other.until("error")
        with_key, without = (one, other) if first else (other, one)
        assert "TESTS_KEY is not set" in without.status
        assert "127.0.0.1" in with_key.status and "TESTS_KEY" not in with_key.status
        assert len(daemons(where)) == 1
