"""What a client is told of its model: while it loads, while it works, when it failed or was lost. No model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lsp_server import loader as module
from lsp_server.config import ModelChoice
from lsp_server.loader import Loader, State, Status
from lsp_server.worker import ModelError, Worker

CHOICE = ModelChoice("tiny", "cpu", "float32", 1)
WHAT_TO_DO = "run `lacuna pull tiny`"


class Pretender(Worker):
    """Loads nothing, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = ""
        self.loads = 0

    def _load(self, choice: ModelChoice) -> str:
        self.loads += 1
        if self.fault:
            raise ModelError(self.fault)
        return "it is quick"


class Client:
    """One connection."""

    def __init__(self, worker: Worker) -> None:
        self.told: list[Status] = []
        self.loader = Loader(worker, self.told.append)

    @property
    def states(self) -> list[State]:
        return [status.state for status in self.told]

    async def ask(self, seconds: float, error: Exception | None = None) -> None:
        self.loader.retry()
        with self.loader.at_work():
            await asyncio.sleep(seconds)
            if error is not None:
                raise error

    async def until(self, state: State) -> None:
        async with asyncio.timeout(5.0):
            while not self.told or self.told[-1].state is not state:
                await asyncio.sleep(0.001)


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pretender]:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    worker = Pretender()
    yield worker
    worker.close()


async def ready(worker: Worker) -> Client:
    client = Client(worker)
    client.loader.load(CHOICE)
    await client.until(State.READY)
    return client


async def test_a_cancelled_request_leaves_nobody_busy(worker: Pretender) -> None:
    client = await ready(worker)
    asking = asyncio.create_task(client.ask(60.0))
    await client.until(State.BUSY)
    asking.cancel()
    await client.until(State.READY)


async def test_neither_does_one_that_fails_in_an_unforeseen_way(worker: Pretender) -> None:
    client = await ready(worker)
    with pytest.raises(LookupError):
        await client.ask(0.05, LookupError())
    assert client.states == [State.LOADING, State.READY, State.BUSY, State.READY]


async def test_it_is_busy_until_the_last_request_ends(worker: Pretender) -> None:
    client = await ready(worker)
    long = asyncio.create_task(client.ask(60.0))
    await client.until(State.BUSY)
    await client.ask(0.0)
    assert client.states[-1] is State.BUSY
    long.cancel()
    await client.until(State.READY)


async def test_a_model_that_fails_and_works_again(worker: Pretender) -> None:
    client = await ready(worker)
    await client.ask(0.05, ModelError("out of memory"))
    assert client.told[-1] == Status(State.ERROR, "out of memory")
    await client.ask(0.0)
    assert client.states[-1] is State.READY


async def test_what_loading_said_stays(worker: Pretender) -> None:
    worker.fault = WHAT_TO_DO
    client = Client(worker)
    client.loader.load(CHOICE)
    await client.until(State.ERROR)
    await client.ask(0.0, ModelError("there is no model"))
    assert client.told[-1] == Status(State.ERROR, WHAT_TO_DO)


async def test_a_model_that_another_connection_switched_off_is_loaded_again(worker: Pretender) -> None:
    client, other = await ready(worker), await ready(worker)
    other.loader.unload()
    while worker.is_ready or worker.is_changing:
        await asyncio.sleep(0.001)
    await client.ask(0.0)
    await client.until(State.READY)
    assert client.states[-2:] == [State.LOADING, State.READY] and worker.is_ready
    loads = worker.loads
    await client.ask(0.0)
    assert worker.loads == loads, "once"
