"""Requests on new documents, one after the other: after the first 200 the server takes no more memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_model
from watched_server import START_PATIENCE, WatchedServer

REQUESTS, WARM = 2000, 200
FLAT_MB = 20.0
PLAIN = {"device": "cpu", "threads": 1, "confidence": 0.0}


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    check_is_flat({"model": str(write_tiny_model(tmp_path, words=True)), "dtype": "float32", **PLAIN}, REQUESTS, WARM)


@pytest.mark.slow
@pytest.mark.weights
def test_memory_is_flat_with_the_embedded_model(embedded_model: Path) -> None:
    check_is_flat({**PLAIN, "threads": 0}, REQUESTS, WARM)


def test_memory_is_nearly_flat_at_first(tmp_path: Path) -> None:
    """The same for fewer: by then most of what is kept has been made."""
    check_is_flat({"model": str(write_tiny_model(tmp_path, words=True)), "dtype": "float32", **PLAIN}, 100, 50)


def check_is_flat(settings: dict[str, Any], requests: int, warm_up: int) -> None:
    server = WatchedServer()
    try:
        server.initialize(settings)
        server.until_told(0, "lacuna/status", "ready", patience=START_PATIENCE)
        warm, most = 0.0, 0.0
        for number in range(requests):
            ask_in_a_new_document(server, number)
            if number < warm_up:
                warm = max(warm, server.memory_mb())
            else:
                most = max(most, server.memory_mb())
        assert most - warm <= FLAT_MB, f"{warm:.0f} MB after {warm_up} requests, then {most:.0f} MB"
        server.goodbye()
    finally:
        server.kill()


def ask_in_a_new_document(server: WatchedServer, number: int) -> None:
    """Open, change, ask, close: no two documents are alike."""
    lines = [f"def add_{number}_{line}(a, b):\n    return a + b + {line}\n" for line in range(2 + number % 20)]
    text, uri = "\n".join(lines) + f"\n\ndef last_{number}(a, b):\n    return ", f"untitled:{number}/test.py"
    document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    server.notify("textDocument/didOpen", {"textDocument": document})
    at = {"line": text.count("\n"), "character": 11}
    change = {"range": {"start": at, "end": at}, "text": "a"}
    server.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]})
    params = {"textDocument": {"uri": uri}, "position": {**at, "character": 12}, "context": {"triggerKind": 1}}
    server.call("textDocument/inlineCompletion", params)
    server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
