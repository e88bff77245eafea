"""A server that many inputs are tried on: one that a hostile input has spoilt is followed by a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asking import ask
from tiny_model import write_tiny_model
from watched_server import START_PATIENCE, WatchedServer

WORD = {"confidence": 0.0, "device": "cpu", "dtype": "float32", "threads": 1, "budget_ms": 0}
CODE_ACTIONS = {"resolveSupport": {"properties": ["edit"]}, "dataSupport": True}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def settings(tiny_model: Path) -> dict[str, object]:
    """With which suggestions come, and are fast."""
    return {"model": str(tiny_model), **WORD}


@pytest.fixture(scope="module")
def _shared(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]
) -> Iterator[Callable[[], WatchedServer]]:
    started: list[WatchedServer] = []
    state = tmp_path_factory.mktemp("state")

    def living() -> WatchedServer:
        if not started or started[-1].has_ended:
            started.append(WatchedServer(cwd=state, LACUNA_STATE=str(state)))
            started[-1].initialize(settings, textDocument={"codeAction": CODE_ACTIONS})
            started[-1].until_told(0, "lacuna/status", "ready", patience=START_PATIENCE)
            ask(started[-1], "untitled:warm", START_PATIENCE)
        return started[-1]

    yield living
    if started and not started[-1].has_ended:
        started[-1].goodbye()


@pytest.fixture
def server(_shared: Callable[[], WatchedServer]) -> WatchedServer:
    """With the tiny model, ready."""
    living = _shared()
    living.mark()
    return living


@pytest.fixture
def last_server(_shared: Callable[[], WatchedServer]) -> Iterator[WatchedServer]:
    """The same, for a test at the end of which it has ended."""
    server = _shared()
    server.mark()
    yield server
    server.kill()
