"""The frames of a request over stdio, with the real server and a tiny model whose fills hardly ever end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from language_client import Client, started
from tiny_model import write_tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINE = "total = 😀 + add(\n"
CURSOR = len("total = 😀 + add(") + 1  # in UTF-16
BLOCK = "def add(a, b):\n    \n"  # at its end a request may take canvas after canvas

numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    model = write_tiny_model(tmp_path_factory.mktemp("tiny"), endless=True)
    async with started({"model": str(model), "threads": 1, "dtype": "float32", "log_level": "debug"}) as (client, _):
        await client.until("ready")
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(shared: Client) -> AsyncIterator[Client]:
    yield shared
    await shared.command("frames", False)
    shared.frames.clear()


def opened(client: Client, text: str) -> str:
    uri = f"untitled:{next(numbers)}/test.py"
    client.open(text, uri)
    return uri


def text(frame: Any) -> str:
    return "".join(cell.text or "" for cell in frame.cells)


async def test_nobody_is_told_who_has_not_asked(client: Client) -> None:
    await client.ask(0, CURSOR, uri=opened(client, LINE), invoked=True)
    await client.statistics()
    assert client.frames == []


async def test_every_step_is_told_and_then_the_end(client: Client) -> None:
    await client.command("frames", True)
    uri = opened(client, LINE)
    await client.ask(0, CURSOR, uri=uri, invoked=True)
    *steps, last = await client.watched()
    assert [frame.step for frame in steps] == list(range(1, len(steps) + 1))
    assert len(steps) > 2
    assert {(frame.textDocument.uri, frame.textDocument.version, frame.request) for frame in steps} == {
        (uri, last.textDocument.version, last.request)
    }
    assert {(frame.position.line, frame.position.character) for frame in steps} == {(0, CURSOR)}
    assert {(frame.before, frame.after) for frame in steps} == {("total = 😀 + add(", "")}
    assert not any(frame.done for frame in steps)
    assert text(last) == text(steps[-1]) and last.step == steps[-1].step
    assert not any(cell.accepted for cell in last.cells)


async def test_what_is_decided_stays_and_is_new_once(client: Client) -> None:
    await client.command("frames", True)
    await client.ask(1, 4, uri=opened(client, BLOCK), invoked=True)
    *steps, _ = await client.watched()
    compared = 0
    for earlier, later, after in zip(steps, steps[1:], steps[2:], strict=False):
        if len(earlier.cells) == len(after.cells):  # the same canvas; its last frame may show a likelier fill
            compared += 1
            for old, new in zip(earlier.cells, later.cells, strict=True):
                assert old.text in (None, new.text)
                assert new.accepted == (old.text is None and new.text is not None)
    assert compared


async def test_steps_count_on_through_the_canvases_of_one_request(client: Client) -> None:
    await client.command("frames", True)
    await client.ask(1, 4, uri=opened(client, BLOCK), invoked=True)
    *steps, last = await client.watched()
    assert [frame.step for frame in steps] == list(range(1, len(steps) + 1))
    sizes = [len(frame.cells) for frame in steps]
    assert sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0], "it has taken three canvases at least"
    for earlier, later in pairwise(steps):
        kept = [cell.text for cell in earlier.cells]
        if len(later.cells) > len(earlier.cells):
            decided = [text for text in kept if text is not None]
            assert [cell.text for cell in later.cells][: len(decided)] == decided
    assert len(text(last)) > 16


async def test_a_request_that_is_superseded_ends_and_is_heard_of_no_more(client: Client) -> None:
    await client.command("frames", True)
    uri, other = opened(client, BLOCK), opened(client, LINE)
    older = client.ask(1, 4, uri=uri, invoked=True)
    while not client.frames:
        await asyncio.sleep(0.005)
    assert client.frames[0].textDocument.uri == uri
    newer = client.ask(0, CURSOR, uri=other, invoked=True)
    assert await older is None
    await newer
    await client.statistics()
    uris = [frame.textDocument.uri for frame in client.frames]
    assert uris == sorted(uris, key=[uri, other].index), "none of the older request after one of the newer"
    assert [frame.textDocument.uri for frame in client.frames if frame.done] == [uri, other]


@pytest.mark.weights
async def test_neither_looking_ahead_nor_remembering_has_frames(embedded_model: Path) -> None:
    async with started({"confidence": 0.0, "log_level": "debug"}) as (client, _):
        await client.until("ready")
        client.open("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n")
        await client.command("frames", True)
        assert await client.ask(1, 11)
        await client.watched()
        await client.logged(r"^prefetch")
        assert await client.ask(1, 11)
        assert (await client.statistics())["outcomes"] == {"shown": 1, "recalled": 1}
        assert client.frames == []


async def test_it_can_be_switched_off_again(client: Client) -> None:
    await client.command("frames", True)
    await client.ask(0, CURSOR, uri=opened(client, LINE), invoked=True)
    await client.watched()
    await client.command("frames", False)
    await client.ask(0, CURSOR, uri=opened(client, LINE), invoked=True)
    await client.statistics()
    assert client.frames == []


async def test_logs_hold_nothing_of_them(client: Client) -> None:
    await client.command("frames", True)
    await client.ask(0, 15, uri=opened(client, "Xylophone = add(\n"))
    await client.statistics()
    assert not [line for line in client.logs if "Xylophone" in line]
