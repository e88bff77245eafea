"""What is asked of a server to see whether it still is one."""

from __future__ import annotations

from watched_server import PATIENCE, Fault, WatchedServer

TEXT = "def add(a, b):\n    return \n"


def check_lives(server: WatchedServer) -> None:
    server.statistics()
    server.check_memory()


def ask(server: WatchedServer, uri: str, patience: float = PATIENCE) -> None:
    """Open a document, ask once, close it: there is an answer that tells of no fault, and the server still lives."""
    document = {"uri": uri, "languageId": "python", "version": 1, "text": TEXT}
    server.notify("textDocument/didOpen", {"textDocument": document})
    position, identifier = {"line": 1, "character": 11}, {"uri": uri}
    params = {"textDocument": identifier, "position": position, "context": {"triggerKind": 1}}
    answer = server.answer(server.request("textDocument/inlineCompletion", params), patience)
    if answer.get("error", {}).get("code") in (-32603, -32602):
        raise Fault(f"{answer['error'].get('message')}\n{server.errors()}")
    server.notify("textDocument/didClose", {"textDocument": identifier})
    check_lives(server)
