"""When trees are brought up to date: while nothing else is done, and not before it has been quiet."""

from __future__ import annotations

import asyncio

from lacuna.lsp_server.documents.idle_parsing import QUIET_SECONDS, IdleParsing
from lacuna.lsp_server.documents.store import DocumentStore


def store(lines: int) -> DocumentStore:
    documents = DocumentStore()
    documents.open("a.py", "python", 1, "x = (1)\n" * lines)
    return documents


async def test_trees_are_fresh_some_time_after_a_change() -> None:
    documents = store(2000)
    parsing = IdleParsing(documents, lambda: False)
    parsing.wake()
    async with asyncio.timeout(30):
        while not documents.get("a.py").is_parsed:
            await asyncio.sleep(0.01)


async def test_nothing_is_parsed_while_a_request_is_worked_on() -> None:
    busy, documents = True, store(10)
    parsing = IdleParsing(documents, lambda: busy)
    parsing.wake()
    await asyncio.sleep(4 * QUIET_SECONDS)
    assert not documents.get("a.py").is_parsed
    busy = False
    async with asyncio.timeout(30):
        while not documents.get("a.py").is_parsed:
            await asyncio.sleep(0.01)


async def test_every_change_puts_it_off() -> None:
    documents = store(10)
    parsing = IdleParsing(documents, lambda: False)
    for _ in range(5):
        parsing.wake()
        await asyncio.sleep(0)
        assert not documents.get("a.py").is_parsed
    parsing.stop()
