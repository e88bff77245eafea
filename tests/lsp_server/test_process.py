"""The server as a process ends when its client does, whatever it is doing, and says how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from raw_client import PATIENCE, call, frame, serving, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and poll(2)")

SOON = 30.0  # seconds; 5 of them are the watchdog's grace, the others a busy machine's

# A server whose `lacuna.statistics` is stuck in native code that holds Python's lock, as a regular expression may be.
STUCK = """
import re, sys
from lacuna.lsp_server import handlers
from lacuna.lsp_server.protocol import names
from lacuna.lsp_server.cli.main import main
handlers.COMMANDS[names.STATISTICS] = lambda ls: re.match("(a+)+b", "a" * 99)
sys.argv[1:] = ["serve"]
main()
"""
# A server whose `lacuna.statistics` waits in the event loop's default executor, where pulls run.
PULLING = """
import asyncio, sys, time
from lacuna.lsp_server import handlers
from lacuna.lsp_server.protocol import names
from lacuna.lsp_server.cli.main import main
async def pull(ls):
    await asyncio.to_thread(time.sleep, 99)
handlers.COMMANDS[names.STATISTICS] = pull
sys.argv[1:] = ["serve"]
main()
"""
WORK = call("workspace/executeCommand", {"command": "lacuna.statistics"}, 7)
GOODBYE = frame(call("shutdown", None, 8)) + frame(call("exit"))


def script(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def other_process() -> subprocess.Popen[bytes]:
    """An editor, as far as a number can tell."""
    return subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (GOODBYE, 0),
        (frame(call("exit")), 1),
        (frame(call("shutdown", None, 8)), 0),  # and the end of stdin: it was told
        (b"", 1),
        (b"Content-Length: 99\r\n\r\n{", 1),  # in the middle of a message
        (b"Content-Le", 1),
    ],
    ids=["goodbye", "exit", "shutdown", "nothing", "half a message", "half a header"],
)
def test_how_it_ended_is_the_exit_code(last: bytes, code: int) -> None:
    with serving() as server:
        server.greet()
        server.send(last)
        assert server.stdin is not None
        server.stdin.close()
        assert server.ended() == code
        assert "Traceback" not in server.errors


def test_who_says_exit_before_anything_else_ends_it() -> None:
    with serving() as server:
        server.send(call("exit"))
        assert server.ended() == 1


@pytest.mark.parametrize("code", [STUCK, PULLING], ids=["stuck", "pulling"])
def test_it_ends_with_stdin_whatever_it_does(code: str) -> None:
    with serving(command=script(code)) as server:
        server.greet()
        server.send(WORK)
        time.sleep(0.5)
        assert server.stdin is not None
        server.stdin.close()
        assert server.ended(SOON) == (1 if code == PULLING else -signal.SIGKILL)


def test_it_does_not_wait_for_a_pull_when_it_is_told_goodbye() -> None:
    with serving(command=script(PULLING)) as server:
        server.greet()
        server.send(WORK, GOODBYE)
        assert server.ended(SOON) == 0


@pytest.mark.parametrize("is_stuck", [False, True])
def test_it_ends_with_the_process_that_it_serves(is_stuck: bool) -> None:
    editor = other_process()
    with serving(command=script(STUCK) if is_stuck else None) as server:
        server.greet(editor.pid)
        if is_stuck:
            server.send(WORK)
            time.sleep(0.5)
        assert server.poll() is None
        editor.kill()
        editor.wait()
        assert server.ended(SOON) == (-signal.SIGKILL if is_stuck else 128 + signal.SIGTERM)


def test_it_ends_with_a_process_that_was_there_when_it_was_told_of_it() -> None:
    """Although the watchdog, on a busy machine, comes to look at it too late."""
    editor = other_process()
    with serving() as server:
        until(lambda: bool(psutil.Process(server.pid).children()))
        [watchdog] = psutil.Process(server.pid).children()
        watchdog.suspend()
        server.greet(editor.pid)
        editor.kill()
        editor.wait()
        watchdog.resume()
        assert server.ended(SOON) == 128 + signal.SIGTERM


def test_a_process_of_another_machine_is_not_waited_for() -> None:
    editor = other_process()
    editor.kill()
    editor.wait()
    with serving() as server:
        server.greet(editor.pid)
        server.send(GOODBYE)
        assert server.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_what_was_counted_is_kept(number: signal.Signals, tmp_path: Path) -> None:
    with serving(env={**os.environ, "LACUNA_STATE": str(tmp_path)}) as server:
        server.greet()
        server.send(call("textDocument/didOpen", {"textDocument": document()}))
        ask = {"textDocument": {"uri": "untitled:a"}, "position": {"line": 0, "character": 0}}
        server.send(call("textDocument/inlineCompletion", {**ask, "context": {"triggerKind": 2}}, 1))
        server.answers.until(1)
        server.send_signal(number)
        assert server.ended(SOON) == 128 + number
        assert "Traceback" not in server.errors
    assert json.loads((tmp_path / "statistics.json").read_text()), "counts were written"


def document(text: str = "x = 1\n") -> dict[str, object]:
    return {"uri": "untitled:a", "languageId": "python", "version": 0, "text": text}


def test_a_signal_ends_it_although_native_code_is_stuck() -> None:
    with serving(command=script(STUCK)) as server:
        server.greet()
        server.send(WORK)
        time.sleep(0.5)
        server.terminate()
        assert server.ended(SOON) == -signal.SIGKILL


def test_a_stop_of_some_seconds_is_no_end() -> None:
    with serving() as server:
        server.greet(os.getpid())
        server.send_signal(signal.SIGSTOP)
        time.sleep(6)
        server.send_signal(signal.SIGCONT)
        server.send(GOODBYE)
        assert server.ended() == 0


def test_the_watchdog_ends_with_the_server() -> None:
    with serving() as server:
        server.greet()
        until(lambda: bool(psutil.Process(server.pid).children()))
        [watchdog] = psutil.Process(server.pid).children()
        assert watchdog.memory_info().rss < 20 << 20
        server.kill()
        server.wait()
        until(lambda: not watchdog.is_running() or watchdog.status() == psutil.STATUS_ZOMBIE)


def test_who_reads_nothing_is_not_read_without_bound_and_its_end_is_seen() -> None:
    """A client that sends and sends, and reads no answer."""
    read, write = os.pipe()
    with serving(stdout=write) as server:
        assert server.stdin is not None
        server.send(frame(call("initialize", {"processId": None, "capabilities": {}}, 0)))
        os.set_blocking(server.stdin.fileno(), False)
        question, sent, since = frame(call("x/unknown" * 100, None, 5)), 0, time.monotonic()
        while time.monotonic() - since < 3:
            try:
                sent += os.write(server.stdin.fileno(), question * 8)
                since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
            assert sent < 4 << 20, "it reads without being read"
        server.stdin.close()
        assert server.ended(SOON) == -signal.SIGKILL
    os.close(write)
    os.close(read)


def test_a_client_that_has_closed_its_end_of_stdout_ends_it() -> None:
    read, write = os.pipe()
    with serving(stdout=write) as server:
        os.close(write)
        os.close(read)
        server.send(frame(call("initialize", {"processId": None, "capabilities": {}}, 0)))
        assert server.ended(PATIENCE) == 1
