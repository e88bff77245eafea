"""What an editor starts: copies bytes between its pipes and the daemon, and calls a new one where that one dies.

It imports neither torch nor the server: a bare Python of some 15 MB.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, NoReturn

from lacuna.lsp_server.daemon.dial import Connection, NoDaemon, call, hang_up, say_no_more
from lacuna.lsp_server.daemon.frames import frame, frames
from lacuna.lsp_server.daemon.journal import Journal
from lacuna.lsp_server.daemon.launch import connected
from lacuna.lsp_server.daemon.place import Place, place

CHUNK = 1 << 16  # bytes
GRACE_S = 5.0  # seconds that the daemon has to take its leave in
LOOK_S = 2.0  # seconds between two looks at editor and daemon
SILENT_S = 10.0  # seconds that an answer is waited for before the daemon is asked whether it lives
MOST_LOST = 3  # daemons in a row, each within `_A_WHILE_S`: then something is wrong with what they are asked
_A_WHILE_S = 60.0


def run(model: str, adapter: str) -> None:
    """Serve the editor on stdin and stdout by the daemon, until either is at its end; ends the process. Returns where
    there is no daemon to be had, before anything is read."""
    try:
        where = place()
        question = {"ask": "serve", "model": model, "adapter": adapter, "environment": dict(os.environ)}
        connection = connected(where, question)
    except (NoDaemon, OSError) as error:
        print(f"lacuna: no daemon, this editor has a model of its own: {error}", file=sys.stderr, flush=True)
        return
    _Shim(where, question, connection).run()


class _Shim:
    def __init__(self, where: Place, question: dict[str, Any], connection: Connection) -> None:
        self._place, self._question, self._connection = where, question, connection
        self._journal, self._sending = Journal(), Lock()  # what is sent is noted, both or neither
        self._is_leaving = False
        self._lost: list[float] = []  # monotonic seconds
        self._heard = time.monotonic()

    def run(self) -> NoReturn:
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _: os._exit(128 + number))
        Thread(target=self._listen, name="daemon", daemon=True).start()
        Thread(target=self._watch, name="watch", daemon=True).start()
        for whole, body in frames(lambda: _read(sys.stdin.fileno())):
            with self._sending:
                if body is not None:
                    self._journal.sent(body)
                elif whole:
                    self._journal.has_left = True  # the daemon says what is wrong with it, and closes
                with suppress(OSError):  # the daemon is gone, and the other thread sees it
                    self._connection.sendall(whole)
        with self._sending:
            self._is_leaving = True
            say_no_more(self._connection)
        time.sleep(GRACE_S)  # the other thread ends the process
        self._leave()

    def _listen(self) -> None:
        """To the daemon, and to the next one."""
        while True:
            for whole, body in frames(self._received):
                if body is None or self._journal.answered(body):
                    _write(whole)
            if self._is_leaving or self._journal.said_goodbye or self._journal.has_left or not self._recovered():
                self._leave()

    def _received(self) -> bytes:
        try:
            chunk = self._connection.recv(CHUNK)
        except OSError:
            return b""
        self._heard = time.monotonic()
        return chunk

    def _recovered(self) -> bool:
        """Whether another daemon goes on where this one has left."""
        now = time.monotonic()
        self._lost = [*(before for before in self._lost if now - before < _A_WHILE_S), now]
        hang_up(self._connection)  # who sends is not to wait
        with self._sending:
            self._connection.close()
            if not self._journal.is_whole or len(self._lost) > MOST_LOST:
                return False
            try:
                self._connection = connected(self._place, self._question)
                for body in self._journal.again():
                    self._connection.sendall(frame(body))
            except (NoDaemon, OSError) as error:
                print(f"lacuna: the daemon is gone: {error}", file=sys.stderr, flush=True)
                return False
        for body in self._journal.lost():
            _write(frame(body))
        self._heard = time.monotonic()
        return True

    def _watch(self) -> NoReturn:
        """Whether the editor and the daemon are alive."""
        editor = None
        while True:
            time.sleep(LOOK_S)
            if editor is None and self._journal.process is not None:
                editor = _Editor(self._journal.process)
            if editor is not None and editor.is_gone:
                os._exit(128 + signal.SIGTERM)
            if self._journal.is_waiting and time.monotonic() - self._heard > SILENT_S:
                self._ask()

    def _ask(self) -> None:
        """A daemon that does not answer is ended: that of this connection, and no other."""
        info = self._place.read_info()
        try:
            call(self._place, {"ask": "status"})[0].close()
            self._heard = time.monotonic()
        except NoDaemon:
            if info is not None and not self._is_leaving:
                from lacuna.lsp_server.daemon.ending import kill

                kill(info)
                hang_up(self._connection)

    def _leave(self) -> NoReturn:
        """As the server itself would: with 0 if the editor said goodbye."""
        os._exit(0 if self._journal.said_goodbye else 1)


class _Editor:
    """The process that the session belongs to: where stdin is somebody else's too, its end does not show."""

    def __init__(self, process: int) -> None:
        self._handle, self._process = -1, None
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):  # it is of another container, or not ours
                self._handle = os.pidfd_open(process)
            return
        import psutil

        with suppress(psutil.Error):
            self._process = psutil.Process(process)

    @property
    def is_gone(self) -> bool:
        """Not of one that could not be seen at first: it is of another machine, perhaps."""
        if self._handle >= 0:
            import select

            return bool(select.select([self._handle], [], [], 0)[0])
        return self._process is not None and not self._process.is_running()


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
