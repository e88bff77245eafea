"""What an editor starts: copies bytes between its pipes and the daemon, and calls a new one where that one dies.

It imports neither torch nor the server: a bare Python of 23 MB. One thread reads the editor, one the daemon, and
one looks whether both are alive.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, NoReturn

from lacuna.lsp_server.daemon.dial import Answered, NoDaemon, Refused, Silent, call, hang_up, say_no_more
from lacuna.lsp_server.daemon.editor_process import EditorProcess
from lacuna.lsp_server.daemon.frames import frame, frames
from lacuna.lsp_server.daemon.journal import Journal
from lacuna.lsp_server.daemon.launch import connected
from lacuna.lsp_server.daemon.place import Info, Place, place

CHUNK = 1 << 16  # bytes
GRACE_S = 1.5  # seconds that the daemon has to take its leave in; some editors give 2
LOOK_S = 2.0  # seconds between two looks at editor and daemon
SILENT_S = 10.0  # seconds that an answer is waited for before the daemon is asked whether it lives
LONGEST_SILENCE_S = 400.0  # where it cannot be asked: a rewrite may take 300
MOST_UNANSWERED = 2  # such questions in a row: then it is ended
# Daemons, within `A_WHILE_S`. One session may be what kills them: after so many whoever was asking something goes on
# with a daemon of its own, after twice as many each does, with longer pauses; after so many of those it ends.
MOST_LOST = 3
A_WHILE_S = 600.0
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


def run(model: str, adapter: str) -> None:
    """Serve the editor on stdin and stdout by the daemon, until either is at its end; ends the process. Returns where
    there is no daemon to be had, before anything is read."""
    try:
        where = place()
        question = {"ask": "serve", "model": model, "adapter": adapter, "environment": dict(os.environ)}
        answered = connected(where, question)
    except (NoDaemon, Refused, OSError) as error:
        print(f"lacuna: no daemon, this editor has a model of its own: {error}", file=sys.stderr, flush=True)
        return
    Shim(where, question, answered).run()


class Shim:
    """One session."""

    def __init__(self, where: Place, question: dict[str, Any], answered: Answered) -> None:
        self._place, self._question = where, question
        self._journal, self._sending = Journal(), Lock()  # what is sent is noted, both or neither
        self._sends_since: float | None = None  # monotonic seconds; None where nothing is being sent
        self._is_leaving, self._is_alone = False, False
        self._lost: list[float] = []  # monotonic seconds
        self._editor: EditorProcess | None = None
        self._take(answered)

    def run(self) -> NoReturn:
        """Until editor or daemon is at its end."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os._exit(128 + number))
        threading.excepthook = _end_at_once
        Thread(target=self._listen, name="daemon", daemon=True).start()
        Thread(target=self._watch, name="watch", daemon=True).start()
        for whole, body in frames(lambda: _read(sys.stdin.fileno())):
            self._send(whole, body)
        with self._sending:
            self._is_leaving = True
            say_no_more(self._connection)
        time.sleep(GRACE_S)  # the thread that listens ends the process
        self._leave()

    def _take(self, answered: Answered) -> None:
        self._connection, said = answered
        self._daemon = Info(int(said["process"]), float(said["created"]))
        self._heard, self._unanswered = time.monotonic(), 0

    def _send(self, whole: bytes, body: bytes | None) -> None:
        with self._sending:
            if body is not None:
                self._journal.sent(body)
            elif whole:
                self._journal.has_left = True  # the daemon says what is wrong with it, and closes
            if self._editor is None and self._journal.process is not None:
                self._editor = EditorProcess(self._journal.process)
            self._sends_since = time.monotonic()
            with suppress(OSError):  # the daemon is gone, and the thread that listens sees it
                self._connection.sendall(whole)
            self._sends_since = None

    def _listen(self) -> None:
        """To the daemon, and to the next one. A message that has not come whole is none."""
        while True:
            for whole, body in frames(self._received):
                if body is not None and self._journal.answered(body):
                    _write(whole)
            if self._is_leaving or self._journal.said_goodbye or self._journal.has_left or not self._recovered():
                self._leave()

    def _received(self) -> bytes:
        try:
            chunk = self._connection.recv(CHUNK)
        except OSError:
            return b""
        self._heard, self._unanswered = time.monotonic(), 0
        return chunk

    def _recovered(self) -> bool:
        """Whether another daemon goes on where this one has left."""
        now, was_asking = time.monotonic(), self._journal.waits_since is not None
        self._lost = [*(before for before in self._lost if now - before < A_WHILE_S), now]
        hang_up(self._connection)  # who sends is not to wait
        self._sending.acquire()
        self._connection.close()
        try:
            if not self._journal.is_whole or not self._may_try_again(was_asking):
                raise NoDaemon("too many were lost, or too much would have to be told again")
            self._take(connected(self._place, self._question))
        except (NoDaemon, Refused, OSError) as error:
            print(f"lacuna: the daemon is gone: {error}", file=sys.stderr, flush=True)
            self._sending.release()
            return False
        told = self._journal.lost()
        Thread(target=self._tell_again, name="again", daemon=True).start()  # while this one reads
        for body in told:
            _write(frame(body))
        return True

    def _may_try_again(self, was_asking: bool) -> bool:
        """After a pause, where many were lost; with a daemon of its own, where this session may be why."""
        more = len(self._lost) - MOST_LOST
        if more <= 0:
            return True
        if self._is_alone:
            return False
        if was_asking or more > MOST_LOST:
            self._is_alone, self._lost, self._place = True, [], self._place.of_one(os.getpid())
        else:
            time.sleep(min(PAUSE_S * 2**more, LONGEST_PAUSE_S))
        return True

    def _tell_again(self) -> None:
        """Holds `_sending` from the start."""
        self._sends_since = time.monotonic()
        with suppress(OSError):  # this one is gone, too
            for body in self._journal.again():
                self._connection.sendall(frame(body))
        self._sends_since = None
        self._sending.release()

    def _watch(self) -> NoReturn:
        """Whether the editor and the daemon are alive."""
        while True:
            time.sleep(LOOK_S)
            if self._editor is not None and self._editor.is_gone:
                os._exit(128 + signal.SIGTERM)
            due = [since for since in (self._journal.waits_since, self._sends_since) if since is not None]
            silent = time.monotonic() - max(self._heard, min(due)) if due else 0.0
            if silent > SILENT_S and not self._is_leaving:
                self._ask(silent)

    def _ask(self, silent: float) -> None:
        """After so many seconds. A daemon that does not answer is ended: that of this session, and no other."""
        daemon, connection = self._daemon, self._connection
        try:
            asked, said = call(self._place, {"ask": "status"})
            asked.close()
            self._unanswered = 0
            if said.get("process") == daemon.process:
                self._heard = time.monotonic()
        except Silent:
            self._unanswered += 1
        except NoDaemon:  # its socket was cleaned up: nothing says that it is not at work
            self._unanswered = 0
        is_lost = self._unanswered >= MOST_UNANSWERED or silent > LONGEST_SILENCE_S
        if is_lost and daemon == self._daemon:
            from lacuna.lsp_server.daemon.ending import kill

            self._unanswered = 0
            kill(daemon)
            hang_up(connection)

    def _leave(self) -> NoReturn:
        """As the server itself would: with 0 if the editor said goodbye."""
        os._exit(0 if self._journal.said_goodbye else 1)


def _end_at_once(failed: threading.ExceptHookArgs) -> None:
    """A thread that is gone would leave an editor that waits for ever."""
    traceback.print_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    os._exit(1)


def _read(stream: int) -> bytes:
    try:
        return os.read(stream, CHUNK)
    except OSError:  # a terminal that was hung up
        return b""


def _write(data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(sys.stdout.fileno(), view) :]
    except OSError:  # the editor does not read any more: its end of stdin comes, too
        pass
