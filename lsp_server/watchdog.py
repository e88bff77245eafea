"""A watchdog: a small process of its own that ends the server where the server can no longer end itself.

It has to be another process: native code that holds Python's lock stops every thread of the server, and a heartbeat of
the server's would also kill one that was only stopped, or debugged, for a while. It imports nothing but the standard
library's core, so that it takes 10 MB, 6 of them shared, and ends with the server: it sees the end of its own stdin.
"""

from __future__ import annotations

import os
import select
import signal
import sys

GRACE_S = 5.0  # seconds from the client's end that the server has to end by itself in
POLL_S = 2.0  # seconds between two looks at a process that the system cannot tell us about

ORDERS = 0  # file descriptor: what the server tells, and that it has ended

_ENDING = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
_HUNG_UP = select.POLLHUP | getattr(select, "POLLRDHUP", 0) if hasattr(select, "poll") else 0


class Watchdog:
    """The server's end of it. On systems without poll(2) nothing is watched."""

    def __init__(self) -> None:
        """Start it, to watch stdin, and which signals this process is sent."""
        self._orders = -1
        if not _HUNG_UP:
            return
        import subprocess  # the process that this starts does without

        theirs, self._orders = os.pipe()
        client = os.dup(sys.stdin.fileno())
        try:
            isolated = ["-I", "-S"] if hasattr(os, "pidfd_open") else ["-I"]  # elsewhere it needs psutil
            command = [sys.executable, *isolated, __file__, str(os.getpid()), str(client)]
            self._process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, pass_fds=[client])
        finally:
            os.close(theirs)
            os.close(client)
        os.set_blocking(self._orders, False)
        signal.set_wakeup_fd(self._orders, warn_on_full_buffer=False)  # written to whoever holds Python's lock

    def watch(self, process_id: int | None) -> None:
        """From now on the server also ends when this process does; None: when no other does. One that is not there
        now is of another machine or container, perhaps, and nobody waits for its end."""
        if self._orders >= 0 and process_id is not None and process_id > 0 and _is_there(process_id):
            os.write(self._orders, b"%d\n" % process_id)


class _Process:
    """A process that is not ours, told apart from a later one of the same number."""

    def __init__(self, process_id: int) -> None:
        """Raises OSError where there is no such process."""
        self.handle = -1
        if hasattr(os, "pidfd_open"):
            self.handle = os.pidfd_open(process_id)
            return
        import psutil

        if not psutil.pid_exists(process_id):
            raise ProcessLookupError(process_id)
        self._process = psutil.Process(process_id)

    def is_gone(self) -> bool:
        """Where the system does not tell by `handle`."""
        return self.handle < 0 and not self._process.is_running()


def main(server: int, client: int) -> None:
    """Watch until the server ends or has to be ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the server
    polled = select.poll()
    polled.register(ORDERS, select.POLLIN)
    polled.register(client, _HUNG_UP)
    editor: _Process | None = None
    while True:
        wait = POLL_S * 1000 if editor is not None and editor.handle < 0 else None
        ready = dict(polled.poll(wait))
        if ready.get(client, 0) & select.POLLNVAL:
            polled.unregister(client)  # a kind of file that cannot be polled here
            del ready[client]
        if ORDERS in ready:
            orders = os.read(ORDERS, 4096)
            if not orders:
                return
            if _ENDING.intersection(orders):
                return _end(server, "it was told to")
            try:
                editor = _watched(orders, polled) or editor
            except ProcessLookupError:  # it was there when the order was given
                return _end_unserved(server)
        elif client in ready:
            return _end(server, "its client has closed stdin")
        elif editor is not None and (editor.handle in ready or editor.is_gone()):
            return _end_unserved(server)


def _is_there(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _watched(orders: bytes, polled: select.poll) -> _Process | None:
    """Raises ProcessLookupError where it has ended."""
    try:
        process = _Process(int(orders.split(b"\n")[0]))
    except ProcessLookupError:
        raise
    except (OSError, ValueError):  # the system does not let us watch it
        return None
    if process.handle >= 0:
        polled.register(process.handle, select.POLLIN)
    return process


def _end_unserved(server: int) -> None:
    os.kill(server, signal.SIGTERM)  # nothing else tells it
    _end(server, "the process that it serves has ended")


def _end(server: int, why: str) -> None:
    """End the server unless it ends by itself."""
    polled = select.poll()
    polled.register(ORDERS, 0)  # the end alone, which comes as POLLHUP
    if not polled.poll(GRACE_S * 1000) and os.getppid() == server:
        print(f"lacuna: the server did not end although {why}; it was killed", file=sys.stderr, flush=True)
        os.kill(server, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
