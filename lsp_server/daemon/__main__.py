"""`python -m lacuna.lsp_server.daemon NAME`: the daemon, as `launch` starts it. What was started ends once the daemon
listens, which is another process: nobody's child, so that no editor that ends its children ends it."""

from __future__ import annotations

from lacuna.lsp_server import start  # before anything can be imported from a workspace

# isort: split
import os
import sys
from collections.abc import Callable

from lacuna.lsp_server.daemon import place


def detached() -> Callable[[], None]:
    """Returns in the daemon alone; what is returned has to be called once it listens."""
    if not hasattr(os, "fork"):
        return lambda: None
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        said = os.read(reading, 1)  # nothing where the daemon has ended
        os._exit(0 if said else 1)
    os.close(reading)

    def listens() -> None:
        os.write(writing, b"1")
        os.close(writing)

    return listens


if __name__ == "__main__":
    start.leave_workspace()
    where = place.named(sys.argv[1])
    if where is None:  # of another environment, or installed anew meanwhile
        sys.exit("lacuna: a daemon of another name belongs here")
    listens = detached()
    from lacuna.lsp_server.server import serve_daemon

    serve_daemon(where, listens)
