"""`python -m lacuna.lsp_server.daemon NAME`: the daemon, as `launch` starts it."""

from __future__ import annotations

from lacuna.lsp_server import start  # before anything can be imported from a workspace

# isort: split
import sys

from lacuna.lsp_server.daemon import place

if __name__ == "__main__":
    start.leave_workspace()
    where = place.place()
    if sys.argv[1:] != [where.name]:  # of another environment, or installed anew meanwhile
        sys.exit(f"lacuna: the daemon of this place is {where.name}")
    from lacuna.lsp_server.server import serve_daemon

    serve_daemon(where)
