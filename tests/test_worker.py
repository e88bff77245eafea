"""The engine's thread, on a tiny model: loading, filling, and stopping in the middle."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from engine.gap import Gap
from lsp_server.config import ModelChoice
from lsp_server.worker import ModelError, Worker

GAP = Gap("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", "python")
LONG = Gap(GAP.prefix, GAP.suffix, "python", max_tokens=200)  # some fourteen canvases of 16


class Cycle:
    """What the garbage collector alone can find."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"), endless=True)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def choice(model: Path | str, dtype: str = "float32") -> ModelChoice:
    return ModelChoice(str(model), "cpu", dtype, 1)


async def texts(worker: Worker, gap: Gap = GAP) -> list[str]:
    return [infill.text for infill in (await worker.fill(gap, document="a", drafts=2)).infills]


async def test_it_fills_gaps_once_a_model_is_there(worker: Worker, tiny: Path) -> None:
    assert not worker.is_ready
    with pytest.raises(ModelError, match="no model"):
        await worker.fill(GAP, document="a")
    assert "1 threads" in await worker.load(choice(tiny))
    assert worker.is_ready
    assert await texts(worker) == await texts(worker)
    assert worker.finished == 2


async def test_cancelling_stops_the_engine_in_mid_denoising(
    worker: Worker, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lsp_server")
    await worker.load(choice(tiny))
    whole = await worker.fill(LONG, document="a")
    filling = asyncio.create_task(worker.fill(LONG, document="b"))
    await asyncio.sleep(whole.infills[0].timings["denoise"] / 1000.0 / 4)
    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling
    assert await texts(worker) == await texts(worker), "the next questions are answered"
    assert (worker.stopped, worker.finished) == (1, 3)
    [steps] = re.findall(r"stopped after (\d+) steps", caplog.text)
    assert 0 < int(steps) < whole.infills[0].steps


async def test_what_is_cancelled_while_it_waits_is_never_begun(worker: Worker, tiny: Path) -> None:
    await worker.load(choice(tiny))
    first = asyncio.create_task(worker.fill(LONG, document="a"))
    waiting = [asyncio.create_task(worker.fill(LONG, document="a")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await first
    await asyncio.gather(*waiting, return_exceptions=True)
    assert all(task.cancelled() for task in waiting)
    await texts(worker)
    assert (worker.finished, worker.stopped) == (2, 0)


async def test_another_model_takes_the_place_of_the_first(worker: Worker, tiny: Path) -> None:
    assert "float32" in await worker.load(choice(tiny))
    assert "bfloat16" in await worker.load(choice(tiny, "bfloat16"))
    assert await texts(worker)
    await worker.unload()
    assert not worker.is_ready
    with pytest.raises(ModelError, match="no model"):
        await texts(worker)


class Pretender(Worker):
    """Loads nothing, and is done with that when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.released.set()

    def _load(self, choice: ModelChoice) -> str:
        self.released.wait(10.0)
        self._loaded = choice
        return ""


async def test_who_has_the_same_model_loaded_takes_it_from_nobody() -> None:
    worker = Pretender()
    await worker.load(choice("a"))
    worker.released.clear()
    loading = asyncio.create_task(worker.load(choice("a")))
    await asyncio.sleep(0.01)
    assert worker.is_ready and worker.is_changing
    loading.cancel()
    assert worker.is_ready
    other = asyncio.create_task(worker.load(choice("b")))
    await asyncio.sleep(0.01)
    assert not worker.is_ready and worker.is_changing
    worker.released.set()
    await other
    assert worker.is_ready and not worker.is_changing
    worker.close()


async def test_closing_a_document_loses_nothing_but_time(worker: Worker, tiny: Path) -> None:
    await worker.load(choice(tiny))
    before = await texts(worker)
    worker.forget("a")
    worker.forget("never seen")
    assert await texts(worker) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (ModelChoice("smollm2-135m", "cpu", "float32", 1), r"run `lacuna pull smollm2-135m`"),
        (ModelChoice("no/where/at/all", "cpu", "float32", 1), r"no/where/at/all"),
        (ModelChoice("tiny", "tpu", "float32", 1), r"device 'tpu' is not available"),
    ],
)
async def test_a_model_that_is_not_there(
    worker: Worker, asked: ModelChoice, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=message):
        await worker.load(asked)
    assert not worker.is_ready


def _cut(directory: Path) -> str:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return "model.safetensors"


def _reshape(directory: Path) -> str:
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps(config | {"intermediate_size": 96}), encoding="utf-8")
    return r"layers\.0\.mlp\.gate_proj\.weight"


def _empty(directory: Path) -> str:
    (directory / "config.json").write_text("{}", encoding="utf-8")
    return "config.json"


def _garble(directory: Path) -> str:
    (directory / "config.json").write_text("{", encoding="utf-8")
    return "cannot be loaded"


@pytest.mark.parametrize("damage", [_cut, _reshape, _empty, _garble])
async def test_a_damaged_model_is_named_and_a_whole_one_still_loads(
    worker: Worker, tiny: Path, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    message = damage(write_tiny_model(tmp_path / "damaged"))
    with pytest.raises(ModelError, match=message):
        await worker.load(choice(tmp_path / "damaged"))
    await worker.load(choice(tiny))
    assert await texts(worker)


async def test_what_stays_is_not_looked_at_by_the_garbage_collector(worker: Worker, tiny: Path) -> None:
    cycle = Cycle()
    kept = weakref.ref(cycle)
    await worker.load(choice(tiny))
    assert gc.isenabled()
    del cycle
    gc.collect()
    assert kept() is not None, "what was there when the model was loaded is not looked at"
    await worker.unload()
    assert kept() is None, "what is in cycles of a model that is given up must be found"
    with pytest.raises(ModelError):
        await worker.load(choice("no-such-model"))
    assert gc.isenabled()
