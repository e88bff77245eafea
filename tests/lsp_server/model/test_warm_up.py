"""A model that is ready prepares what later requests need: behind everything else, and told as it goes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lacuna.engine.api import NEAR
from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model import lifecycle
from lacuna.lsp_server.model.engine_thread import Urgency
from lacuna.lsp_server.model.lifecycle import ModelLifecycle, State, Status
from lacuna.lsp_server.model.loading import Loaded, ModelError
from lacuna.lsp_server.model.model_pool import Models

CHOICE = ModelChoice("tiny", "cuda", "bfloat16", 0)


class Gpu:
    """A filler with three pieces of work; each is begun when it is let."""

    extent, launches = NEAR, "as CUDA graphs"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.begun, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.fault: Exception | None = None

    def warm_ups(self) -> list[Callable[[], None]]:
        return [lambda number=number: self.warm(number) for number in range(3)]  # type: ignore[misc]

    def warm(self, number: int) -> None:
        self.begun.release()
        assert self.let.acquire(timeout=10.0)
        self.log.append(f"piece {number}")
        if self.fault is not None:
            raise self.fault

    def close(self, document: str) -> None:
        pass


class Client:
    def __init__(self, models: Models) -> None:
        self.told: list[Status] = []
        self.lifecycle = ModelLifecycle(models, self.told.append)
        self.lifecycle.load(CHOICE)

    async def until(self, message: str) -> None:
        async with asyncio.timeout(5.0):
            while not self.told or self.told[-1].message != message:
                await asyncio.sleep(0.001)


@pytest.fixture
def gpu() -> Gpu:
    return Gpu()


@pytest.fixture
async def models(gpu: Gpu) -> AsyncIterator[Models]:
    filler: Any = gpu
    models = Models(lambda choice: Loaded(filler, choice.model, "it is quick"))
    yield models
    for _ in range(9):
        gpu.let.release()
    models.close()


async def test_it_is_ready_meanwhile_and_tells_how_far_it_is(models: Models, gpu: Gpu) -> None:
    client = Client(models)
    for number in range(3):
        await client.until(f"tiny: it is quick; preparing its kernels, {number} of 3")
        gpu.let.release()
    await client.until("tiny: it is quick")
    assert {status.state for status in client.told[1:]} == {State.READY}
    assert gpu.log == ["piece 0", "piece 1", "piece 2"]


@pytest.mark.parametrize("urgency", [urgency for urgency in Urgency if urgency is not Urgency.WARM_UP])
async def test_whoever_asks_waits_for_one_piece_at_most(models: Models, gpu: Gpu, urgency: Urgency) -> None:
    client = Client(models)
    await client.until("tiny: it is quick; preparing its kernels, 0 of 3")
    assert await asyncio.to_thread(gpu.begun.acquire, timeout=5.0)
    asked = asyncio.create_task(client.lifecycle.worker._thread.run(urgency, lambda _: gpu.log.append("asked")))
    await asyncio.sleep(0)
    for _ in range(3):
        gpu.let.release()
    await asked
    await client.until("tiny: it is quick")
    assert gpu.log == ["piece 0", "asked", "piece 1", "piece 2"]


async def test_a_model_that_goes_prepares_no_more(models: Models, gpu: Gpu) -> None:
    client = Client(models)
    assert await asyncio.to_thread(gpu.begun.acquire, timeout=5.0)
    client.lifecycle.unload()
    gpu.let.release()
    again = Client(models)
    for number in range(3):
        await again.until(f"tiny: it is quick; preparing its kernels, {number} of 3")
        gpu.let.release()
    await again.until("tiny: it is quick")
    assert gpu.log == ["piece 0", "piece 0", "piece 1", "piece 2"]
    assert client.told[-1].state is State.OFF


async def test_what_cannot_be_prepared_is_logged_and_the_model_stays(
    models: Models, gpu: Gpu, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.fault = RuntimeError("CUDA error: device-side assert")
    client = Client(models)
    with caplog.at_level(logging.WARNING):
        await client.until("tiny: it is quick; preparing its kernels, 0 of 3")
        gpu.let.release()
        await client.until("tiny: it is quick")
    assert "not all kernels could be prepared: CUDA error: device-side assert" in caplog.text
    assert client.lifecycle.worker.is_ready and gpu.log == ["piece 0"]


@pytest.mark.parametrize("error", [None, ModelError("out of memory")])
async def test_progress_hides_neither_work_nor_an_error(
    models: Models, gpu: Gpu, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    monkeypatch.setattr(lifecycle, "BUSY_SECONDS", 0.01)
    client = Client(models)
    await client.until("tiny: it is quick; preparing its kernels, 0 of 3")
    with client.lifecycle.at_work():
        await client.until("looking for suggestions")
        for _ in range(3):
            gpu.let.release()
        async with asyncio.timeout(5.0):
            while len(gpu.log) < 3 or client.lifecycle.worker.progress:
                await asyncio.sleep(0.001)
        assert client.told[-1].state is State.BUSY
        if error is not None:
            raise error
    assert client.told[-1].message == ("tiny: it is quick" if error is None else "out of memory")
