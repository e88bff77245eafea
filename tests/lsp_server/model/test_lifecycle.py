"""What a client is told of its model, and that no client's settings touch what another one uses. No model."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lacuna.engine.api import NEAR
from lacuna.lsp_server import log
from lacuna.lsp_server.config import Config, ModelChoice, ServerChoice
from lacuna.lsp_server.documents.store import DocumentStore
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.model import lifecycle as module
from lacuna.lsp_server.model import worker as worker_module
from lacuna.lsp_server.model.lifecycle import ModelLifecycle, State, Status
from lacuna.lsp_server.model.loading import Loaded, ModelError
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.setup import Setup

CHOICE = ModelChoice("tiny", "cpu", "float32", 1)
OTHER = ModelChoice("other", "cpu", "float32", 1)
WHAT_TO_DO = "run `lacuna pull tiny`"


class Shelf:
    """Where models would be loaded from."""

    def __init__(self) -> None:
        self.faults: dict[str, Exception] = {}
        self.loads: Counter[str] = Counter()
        self.released = threading.Event()  # loading ends no earlier
        self.released.set()

    def load(self, choice: ModelChoice) -> Loaded:
        self.released.wait(10.0)
        self.loads[choice.model] += 1
        if choice.model in self.faults:
            raise self.faults[choice.model]
        filler: Any = SimpleNamespace(extent=NEAR, close=lambda document: None)
        return Loaded(filler, choice.model, "it is quick")


class Client:
    """One connection."""

    def __init__(self, models: Models) -> None:
        self.told: list[Status] = []
        self.lifecycle = ModelLifecycle(models, self.told.append)

    @property
    def states(self) -> list[State]:
        return [status.state for status in self.told]

    async def ask(self, seconds: float, error: Exception | None = None) -> None:
        self.lifecycle.retry()
        with self.lifecycle.at_work():
            await asyncio.sleep(seconds)
            if error is not None:
                raise error

    async def until(self, state: State) -> None:
        async with asyncio.timeout(5.0):
            while not self.told or self.told[-1].state is not state:
                await asyncio.sleep(0.001)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def models(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Models]:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    models = Models(shelf.load)
    yield models
    shelf.released.set()
    models.close()


async def ready(models: Models, choice: ModelChoice = CHOICE) -> Client:
    client = Client(models)
    client.lifecycle.load(choice)
    await client.until(State.READY)
    return client


async def test_a_cancelled_request_leaves_nobody_busy(models: Models) -> None:
    client = await ready(models)
    asking = asyncio.create_task(client.ask(60.0))
    await client.until(State.BUSY)
    asking.cancel()
    await client.until(State.READY)


async def test_a_model_that_rests_is_loaded_when_somebody_asks(models: Models, shelf: Shelf) -> None:
    client, other = await ready(models), await ready(models)
    models.rest(0.0)
    for one in (client, other):
        assert one.told[-1].state is State.READY and "rests" in one.told[-1].message
    await client.ask(0.0)
    await client.until(State.READY)
    assert other.states[-2:] == [State.LOADING, State.READY] and shelf.loads["tiny"] == 2


async def test_a_rewrite_may_wake_a_model_that_rests(models: Models) -> None:
    client = await ready(models)
    worker = client.lifecycle.worker
    edits = EditSuggestions(DocumentStore(), Setup.of(Config(), worker))
    assert not edits.can_rewrite
    worker.can_rewrite = True
    models.rest(0.0)
    assert edits.can_rewrite
    client.lifecycle.unload()
    assert not edits.can_rewrite


async def test_a_server_elsewhere_does_not_rest(models: Models) -> None:
    client = await ready(models, replace(CHOICE, server=ServerChoice("http://127.0.0.1:1")))
    models.rest(0.0)
    assert client.lifecycle.worker.is_ready, "nothing would be given back"


async def test_who_comes_while_it_rests_has_it(models: Models) -> None:
    await ready(models)
    models.rest(0.0)
    await ready(models)


async def test_neither_does_one_that_fails_in_an_unforeseen_way(models: Models) -> None:
    client = await ready(models)
    with pytest.raises(LookupError):
        await client.ask(0.05, LookupError())
    assert client.states == [State.LOADING, State.READY, State.BUSY, State.READY]


async def test_it_is_busy_until_the_last_request_ends(models: Models) -> None:
    client = await ready(models)
    long = asyncio.create_task(client.ask(60.0))
    await client.until(State.BUSY)
    await client.ask(0.0)
    assert client.states[-1] is State.BUSY
    long.cancel()
    await client.until(State.READY)


async def test_a_model_that_fails_and_works_again(models: Models) -> None:
    client = await ready(models)
    await client.ask(0.05, ModelError("out of memory"))
    assert client.told[-1] == Status(State.ERROR, "out of memory")
    await client.ask(0.0)
    assert client.states[-1] is State.READY


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ModelError(WHAT_TO_DO), WHAT_TO_DO),
        (LookupError("x"), "the model cannot be loaded: LookupError: x"),
        (MemoryError(), "the model cannot be loaded: MemoryError: "),
    ],
)
async def test_what_loading_said_stays(models: Models, shelf: Shelf, fault: Exception, told: str) -> None:
    shelf.faults["tiny"] = fault
    client = Client(models)
    client.lifecycle.load(CHOICE)
    await client.until(State.ERROR)
    await client.ask(0.0, ModelError("there is no model"))
    assert client.told[-1] == Status(State.ERROR, told)


async def test_a_model_that_was_missing_is_looked_for_again(
    models: Models, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_SECONDS", 0.0)
    shelf.faults["tiny"] = ModelError(WHAT_TO_DO)
    client = Client(models)
    client.lifecycle.load(CHOICE)
    await client.until(State.ERROR)
    await client.ask(0.01, ModelError("there is no model"))
    assert shelf.loads["tiny"] == 2 and client.states == [State.LOADING, State.ERROR]
    shelf.faults.clear()
    await client.ask(0.0, ModelError("there is no model"))
    await client.until(State.READY)
    assert client.states == [State.LOADING, State.ERROR, State.READY]


async def test_clients_share_a_model_and_the_last_one_takes_it_along(models: Models, shelf: Shelf) -> None:
    client, other = await ready(models), await ready(models)
    worker = client.lifecycle.worker
    assert other.lifecycle.worker is worker and shelf.loads["tiny"] == 1
    other.lifecycle.stop()
    await client.ask(0.0)
    assert worker.is_ready and client.states == [State.LOADING, State.READY]
    client.lifecycle.unload()
    assert not worker.is_ready and client.states[-1] is State.OFF
    again = await ready(models)
    assert again.lifecycle.worker is not worker and shelf.loads["tiny"] == 2


@pytest.mark.parametrize("is_loading", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda other: other.lifecycle.unload(),
        lambda other: other.lifecycle.stop(),
        lambda other: other.lifecycle.load(OTHER),
        lambda other: other.lifecycle.load(ModelChoice("missing", "cpu", "float32", 1)),
        lambda other: (other.lifecycle.load(OTHER), other.lifecycle.unload(), other.lifecycle.load(CHOICE)),
    ],
)
async def test_what_others_do_does_not_touch_a_clients_model(
    models: Models, shelf: Shelf, change: Any, is_loading: bool
) -> None:
    shelf.faults["missing"] = ModelError("missing")
    shelf.released.clear()
    client, other = Client(models), Client(models)
    client.lifecycle.load(CHOICE)
    other.lifecycle.load(CHOICE)
    if not is_loading:
        shelf.released.set()
        await client.until(State.READY)
    change(other)
    shelf.released.set()
    await client.until(State.READY)
    await asyncio.sleep(0.02)  # for whatever else is loaded
    await client.ask(0.0)
    assert client.lifecycle.worker.is_ready and client.lifecycle.worker._filler is not None
    assert client.states == [State.LOADING, State.READY] and shelf.loads["tiny"] == 1


async def test_of_several_changes_in_a_row_the_last_one_counts(models: Models, shelf: Shelf) -> None:
    shelf.released.clear()
    client = Client(models)
    for _ in range(20):
        client.lifecycle.load(CHOICE)
        client.lifecycle.load(OTHER)
        client.lifecycle.unload()
    client.lifecycle.load(OTHER)
    shelf.released.set()
    await client.until(State.READY)
    assert client.told[-1].message.startswith("other") and client.lifecycle.worker.is_ready
    assert sum(shelf.loads.values()) <= 2, "what nobody waits for is not begun"


async def test_who_has_left_takes_no_model(models: Models, shelf: Shelf) -> None:
    client = Client(models)
    client.lifecycle.stop()
    client.lifecycle.load(CHOICE)
    await asyncio.sleep(0.01)
    assert not shelf.loads


async def test_each_client_reads_its_own_log_at_its_own_level(models: Models, shelf: Shelf) -> None:
    """What a model's loading says is read by all that use it, and by nobody else."""
    logger = logging.getLogger("lacuna.lsp_server.anything")
    logs: dict[str, list[str]] = {name: [] for name in ("loud", "quiet", "elsewhere")}

    async def converse(name: str, level: str, choice: ModelChoice) -> None:
        client_log = log.ClientLog(lambda _, message: logs[name].append(message))
        with client_log.addressed():
            client_log.set_level(level)
            client = await ready(models, choice)
            logger.info("%s asks", name)
            await asyncio.to_thread(logger.warning, "%s warns", name)
            client.lifecycle.stop()
            await asyncio.sleep(0.05)

    shelf.released.clear()
    asking = asyncio.gather(
        converse("loud", "debug", CHOICE), converse("quiet", "warning", CHOICE), converse("elsewhere", "info", OTHER)
    )
    await asyncio.sleep(0.01)
    shelf.released.set()
    await asking
    assert logs == {
        "loud": ["tiny is ready: it is quick", "loud asks", "loud warns"],
        "quiet": ["quiet warns"],
        "elsewhere": ["other is ready: it is quick", "elsewhere asks", "elsewhere warns"],
    }
