"""The engine's thread, on a tiny model: loading, filling, and stopping in the middle."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import re
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.api import Gap, Hole, Passage, Patch, RewriteRequest, Stopped
from lacuna.engine.diff_api import DiffQuestion, Hunk, LineChange
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model.engine_thread import EngineThread, TooLate, Urgency
from lacuna.lsp_server.model.loading import ModelError
from lacuna.lsp_server.model.model_pool import Models
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker

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
def models() -> Iterator[Models]:
    models = Models()
    yield models
    models.close()


async def loaded(models: Models, asked: ModelChoice) -> Worker:
    worker = models.lease(asked)
    await worker.ready()
    return worker


def choice(model: Path | str, dtype: str = "float32") -> ModelChoice:
    return ModelChoice(str(model), "cpu", dtype, 1)


async def texts(worker: Worker, gap: Gap = GAP) -> list[str]:
    return [infill.text for infill in (await worker.fill(gap, document="a", num_candidates=2)).infills]


async def test_it_fills_gaps_once_a_model_is_there(models: Models, tiny: Path) -> None:
    worker = models.lease(choice(tiny))
    assert not worker.is_ready
    with pytest.raises(ModelError, match="no model"):
        await models.none.fill(GAP, document="a")
    assert "1 threads" in await worker.ready()
    assert worker.is_ready
    assert await texts(worker) == await texts(worker)
    assert worker.finished == 2


async def test_cancelling_stops_the_engine_in_mid_denoising(
    models: Models, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lacuna.lsp_server")
    worker = await loaded(models, choice(tiny))
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


async def test_what_is_cancelled_while_it_waits_is_never_begun(models: Models, tiny: Path) -> None:
    worker = await loaded(models, choice(tiny))
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


async def test_models_stand_side_by_side_until_they_are_given_back(models: Models, tiny: Path) -> None:
    one, other = models.lease(choice(tiny)), models.lease(choice(tiny, "bfloat16"))
    assert "float32" in await one.ready()
    assert "bfloat16" in await other.ready()
    assert await texts(one) and await texts(other)
    models.release(other)
    assert one.is_ready and not other.is_ready
    with pytest.raises(ModelError, match="no model"):
        await texts(other)
    assert await texts(one)


async def test_a_model_that_nobody_asks_rests_and_comes_back(models: Models, tiny: Path) -> None:
    worker = await loaded(models, choice(tiny))
    before = await texts(worker)
    filler = weakref.ref(worker._filler)  # type: ignore[arg-type]
    models.rest(60.0)
    assert worker.is_ready, "it was asked just now"
    models.rest(0.0)
    assert worker.phase is Phase.RESTING and models.in_words() == [f"{tiny}: resting"]
    while filler() is not None:  # its memory is given back
        await asyncio.sleep(0.01)
        gc.collect()
    with pytest.raises(ModelError):
        await texts(worker)
    models.rest(0.0)
    worker.retry()
    await worker.ready()
    assert worker.is_ready and await texts(worker) == before


async def test_closing_a_document_loses_nothing_but_time(models: Models, tiny: Path) -> None:
    worker = await loaded(models, choice(tiny))
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
    models: Models, asked: ModelChoice, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=message):
        await loaded(models, asked)


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
    models: Models, tiny: Path, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    message = damage(write_tiny_model(tmp_path / "damaged"))
    with pytest.raises(ModelError, match=message):
        await loaded(models, choice(tmp_path / "damaged"))
    worker = await loaded(models, choice(tiny))
    assert await texts(worker)


async def test_what_stays_is_not_looked_at_by_the_garbage_collector(models: Models, tiny: Path) -> None:
    cycle = Cycle()
    kept = weakref.ref(cycle)
    worker = await loaded(models, choice(tiny))
    assert gc.isenabled()
    del cycle
    gc.collect()
    assert kept() is not None, "what was there when the model was loaded is not looked at"
    models.release(worker)
    with pytest.raises(ModelError):  # looked for after what nobody uses was given back
        await loaded(models, choice("no-such-model"))
    assert kept() is None, "what is in cycles of a model that is given up must be found"
    assert gc.isenabled()


class Engine:
    """The thread, with jobs whose passes take as long as they are told to."""

    def __init__(self) -> None:
        self.thread = EngineThread()
        self.began: list[str] = []
        self.ended: list[str] = []
        self.at_it = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def ask(self, name: str, urgency: Urgency, passes: int = 1, seconds: float = math.inf) -> asyncio.Task[str]:
        def work(stop: threading.Event) -> str:
            self.began.append(name)
            self._loop.call_soon_threadsafe(self.at_it.set)
            for _ in range(passes):
                if stop.is_set():
                    raise Stopped
                time.sleep(0.01)
            self.ended.append(name)
            return name

        return asyncio.create_task(self.thread.run(urgency, work, time.monotonic() + seconds))


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    engine.thread.close()


@pytest.mark.parametrize("lower", [Urgency.PREFETCH, Urgency.NEXT_EDIT, Urgency.ON_REQUEST])
async def test_a_key_goes_before_what_is_less_urgent_and_that_is_answered_too(engine: Engine, lower: Urgency) -> None:
    long = engine.ask("long", lower, passes=20)
    await engine.at_it.wait()
    later = engine.ask("later", lower)
    key = engine.ask("key", Urgency.KEYSTROKE)
    assert await key == "key"
    assert engine.ended[0] == "key" and engine.began[:2] == ["long", "key"]
    assert await long == "long" and await later == "later"
    assert engine.ended == ["key", "long", "later"], "each once, in the order in which they were asked"


async def test_equals_and_what_is_less_urgent_interrupt_nothing(engine: Engine) -> None:
    first = engine.ask("first", Urgency.NEXT_EDIT, passes=5)
    await engine.at_it.wait()
    others = [engine.ask(urgency.name, urgency) for urgency in (Urgency.ON_REQUEST, Urgency.NEXT_EDIT)]
    await asyncio.gather(first, *others)
    assert engine.began == ["first", "NEXT_EDIT", "ON_REQUEST"]


async def test_what_is_interrupted_is_not_begun_again_after_its_deadline(engine: Engine) -> None:
    """And what has waited until then is not begun at all; what runs is not interrupted by a deadline."""
    late = engine.ask("late", Urgency.NEXT_EDIT, passes=10_000, seconds=0.05)
    waiting = engine.ask("waiting", Urgency.NEXT_EDIT, seconds=0.05)
    await engine.at_it.wait()
    await engine.ask("key", Urgency.KEYSTROKE, passes=10)
    ends = await asyncio.gather(late, waiting, return_exceptions=True)
    assert all(isinstance(end, TooLate) for end in ends)
    assert engine.began == ["late", "key"]
    assert await engine.ask("in time", Urgency.NEXT_EDIT, passes=10, seconds=0.05) == "in time"


async def test_what_is_cancelled_after_an_interruption_does_not_come_back(engine: Engine) -> None:
    long = engine.ask("long", Urgency.ON_REQUEST, passes=1000)
    await engine.at_it.wait()
    key = engine.ask("key", Urgency.KEYSTROKE, passes=5)
    await asyncio.sleep(0.03)
    long.cancel()
    await key
    await engine.ask("last", Urgency.ON_REQUEST)
    assert engine.began == ["long", "key", "last"]


async def test_nobody_is_interrupted_for_ever(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lacuna.lsp_server.model.engine_thread.PATIENCE_SECONDS", 0.1)
    long = engine.ask("long", Urgency.ON_REQUEST, passes=20)
    while not long.done():
        await engine.ask("key", Urgency.KEYSTROKE)
        await asyncio.sleep(0.02)
    assert await long == "long"


async def test_an_engine_that_is_closed_answers_nobody(engine: Engine) -> None:
    running = engine.ask("running", Urgency.KEYSTROKE, passes=1000)
    await engine.at_it.wait()
    waiting = engine.ask("waiting", Urgency.KEYSTROKE)
    await asyncio.sleep(0)
    engine.thread.close()
    late = engine.ask("late", Urgency.KEYSTROKE)
    ends = await asyncio.gather(running, waiting, late, return_exceptions=True)
    assert all(isinstance(end, Stopped | asyncio.CancelledError) for end in ends) and engine.began == ["running"]


async def test_a_diff_that_is_interrupted_goes_on_with_what_is_left_of_its_time(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await loaded(models, choice(write_tiny_fim_model(tmp_path)))
    filler, question = worker._filler, DiffQuestion("a.py", (Hunk(1, (), ("b\n",), ("c\n",)),), 3, (), ("b = 1\n",) * 9)
    assert isinstance(filler, GapFiller)
    whole, budgets, at_it = filler.continue_diff, list[float](), threading.Event()

    def noted(question: DiffQuestion, *, stop: threading.Event, budget: float) -> tuple[LineChange, ...]:
        budgets.append(budget)
        at_it.set()
        if len(budgets) == 1:
            stop.wait()  # under way when the key comes
        return whole(question, stop=stop, budget=budget)

    monkeypatch.setattr(filler, "continue_diff", noted)
    asked = asyncio.create_task(worker.continue_diff(question, time.monotonic() + 60.0))
    await asyncio.to_thread(at_it.wait)
    await worker.fill(GAP, document="a")
    await asked
    assert 60.0 >= budgets[0] > budgets[1] > 0.0 and len(budgets) == 2


async def test_a_fill_goes_before_a_next_edits_question(models: Models, tiny: Path) -> None:
    worker = await loaded(models, choice(tiny))
    code = "".join(f"def f{number}(alpha):\n    return alpha - {number}\n" for number in range(30))
    holes = (Hole(code[-40:-30]), code[-30:-20], Hole(code[-20:-10]))
    patch = Patch(code[:-40], holes, "", old_prefix=code[:-40].replace("alpha", "delta"))
    alone = await worker.patch(patch)
    order: list[str] = []

    async def ask(name: str, question: Coroutine[Any, Any, Any]) -> Any:
        answer = await question
        order.append(name)
        return answer

    patching = asyncio.create_task(ask("patch", worker.patch(patch)))
    rewriting = asyncio.create_task(ask("refill", worker.fill(GAP, document="b", urgency=Urgency.ON_REQUEST)))
    await asyncio.sleep(0)  # both have been asked; the patch takes some milliseconds at least
    await ask("fill", worker.fill(GAP, document="a"))
    assert order == ["fill"]
    assert (await patching).revisions == alone.revisions
    await rewriting
    assert order == ["fill", "patch", "refill"]


def _no_canvas(adapter: dict[str, Any]) -> None:
    adapter["gap"]["canvas_lengths"] = []


def _no_such_token(adapter: dict[str, Any]) -> None:
    adapter["gap"]["end_of_hole_token_id"] = 10**9


def _far_away(adapter: dict[str, Any]) -> None:
    adapter["gap"]["suffix_distance"] = 10**12


def _no_room(adapter: dict[str, Any]) -> None:
    adapter["gap"]["canvas_lengths"] = [-1]


@pytest.mark.parametrize("harm", [_no_canvas, _no_such_token, _far_away, _no_room])
async def test_a_model_that_can_never_answer_is_found_when_it_is_loaded(
    models: Models, tmp_path: Path, harm: Callable[[dict[str, Any]], None]
) -> None:
    at = write_tiny_model(tmp_path) / "adapter_config.json"
    adapter = json.loads(at.read_text(encoding="utf-8"))
    harm(adapter)
    at.write_text(json.dumps(adapter), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot"):
        await loaded(models, choice(tmp_path))


WHERE = r"in test_worker\.py"
NO_MEMORY = "there is not enough memory left: close other programs, or choose"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LookupError("secret"), f"LookupError {WHERE}"),
        (TypeError("secret"), f"TypeError {WHERE}"),
        (ZeroDivisionError(), f"ZeroDivisionError {WHERE}"),
        (MemoryError(), NO_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), NO_MEMORY),
    ],
)
async def test_whatever_an_engine_raises_is_told_as_the_models_failure(
    models: Models, tiny: Path, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await loaded(models, choice(tiny))

    def fail(*_: object, **__: object) -> None:
        raise error

    for question in ("infill", "patch", "surprises", "rewrite"):
        monkeypatch.setattr(worker._filler, question, fail, raising=False)
    questions = (
        worker.fill(GAP, document="a"),
        worker.patch(Patch("", (Hole("a"),), "")),
        worker.surprises(Passage("", "a", "")),
        worker.rewrite(RewriteRequest("shorter", "a")),
    )
    for asked in questions:
        with pytest.raises(ModelError, match=rf"{said}.*choose another") as told:
            await asked
        assert "secret" not in str(told.value), "an error may quote the document"
