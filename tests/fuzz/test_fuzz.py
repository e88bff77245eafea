"""10,000 random sequences of edits, requests and cancellations in three encodings: texts as a model of them has it, and
every request is answered once.

Twice: in this process, where the server's text can be compared, and against the real process over stdio. What fails
names its seed; `list(Sequence(seed, encoding, {}).steps())` is what was sent.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from byte_wire import ByteWire, connected
from sequences import ENCODINGS, Ask, Cancel, Compare, Notify, Pause, Sequence, Wait
from tiny_model import write_tiny_model
from units import LONE, Encoding
from watched_server import START_PATIENCE, WatchedServer

from lacuna.lsp_server.model.model_pool import Models

QUICK = range(100)
SLOW = range(100, 3334)
REQUEST_CANCELLED = -32800
NUMBERS = [pytest.param(QUICK, id="quick"), pytest.param(SLOW, id="slow", marks=pytest.mark.slow)]


def capabilities(encoding: Encoding) -> dict[str, Any]:
    actions = {"resolveSupport": {"properties": ["edit"]}, "dataSupport": True}
    return {"general": {"positionEncodings": [encoding]}, "textDocument": {"codeAction": actions}}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    words = {
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "confidence": 0.0,
        "num_candidates": 2,
        "completion": "both",
    }
    return {"model": str(write_tiny_model(tmp_path / "model")), **words}


def check_answers(answers: dict[int, list[dict[str, Any]]], seeds: dict[int, str]) -> None:
    for number, seed in seeds.items():
        assert len(answers[number]) == 1, f"{seed}: {len(answers[number])} answers"
        error = answers[number][0].get("error")
        assert error is None or error["code"] == REQUEST_CANCELLED, f"{seed}: {error}"


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_texts_are_equal(encoding: Encoding, numbers: range, settings: dict[str, Any]) -> None:
    models, seeds = Models(), dict[int, str]()
    async with connected(models, capabilities(encoding), settings) as (wire, server):
        while not server.lifecycle.worker.is_ready:
            await asyncio.sleep(0.01)
        worker = server.lifecycle.worker
        for number in numbers:
            seed = f"{encoding}-{number}"
            asked = await play(wire, server, Sequence(seed, encoding, settings), seed)
            seeds |= dict.fromkeys(asked, seed)
        for number in seeds:
            await wire.answer(number)
        report = await wire.statistics()
    check_answers(wire.answers, seeds)
    assert {"superseded", "cancelled"} <= report["outcomes"].keys()
    assert worker.finished > 5 and worker.stopped > 0, "the engine was asked, and stopped"
    models.close()


async def play(wire: ByteWire, server: Any, sequence: Sequence, seed: str) -> list[int]:
    """The numbers of the requests, which need not be answered yet."""
    asked: list[int] = []
    for step in sequence.steps():
        match step:
            case Notify():
                wire.notify(*step)
            case Ask():
                asked.append(wire.request(*step))
            case Cancel():
                for _ in range(step.times):
                    wire.notify("$/cancelRequest", {"id": asked[step.number]})
            case Wait():
                await wire.answer(asked[step.number])
            case Pause():
                await asyncio.sleep(step.seconds)
            case Compare():
                await wire.statistics()
                found = LONE.sub("\ufffd", str(server.documents.get(f"untitled:{seed}").text))
                assert found == step.text, seed
    return asked


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_are_answered_once(encoding: Encoding, numbers: range, settings: dict[str, Any]) -> None:
    server, seeds = WatchedServer(), dict[int, str]()
    try:
        server.initialize(settings, **capabilities(encoding))
        server.until_told(0, "lacuna/status", "ready", patience=START_PATIENCE)
        for number in numbers:
            seed = f"{encoding}-{number}"
            seeds |= dict.fromkeys(play_over_stdio(server, Sequence(seed, encoding, settings)), seed)
        for number in seeds:
            server.answer(number)
        server.call("shutdown", None)
        server.notify("exit", None)
        assert server.goodbye() == 0
    finally:
        server.kill()
    check_answers(server.answers, seeds)


def play_over_stdio(server: WatchedServer, sequence: Sequence) -> list[int]:
    asked: list[int] = []
    for step in sequence.steps():
        match step:
            case Notify():
                server.notify(*step)
            case Ask():
                asked.append(server.request(*step))
            case Cancel():
                for _ in range(step.times):
                    server.notify("$/cancelRequest", {"id": asked[step.number]})
            case Wait():
                server.answer(asked[step.number])
            case Pause():
                time.sleep(step.seconds)
            case Compare():
                server.statistics()
    return asked
