"""The real server over stdio, with the embedded model: what an editor sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from language_client import Client, started
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled
from tiny_model import write_tiny_model

pytestmark = [pytest.mark.weights, pytest.mark.asyncio(loop_scope="module")]

ADD = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"
UNSURE = {"confidence": 0.0, "log_level": "debug"}  # whatever fits is shown: how good it is, is no matter here

numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(embedded_model: Path) -> AsyncIterator[Client]:
    """One server for most tests; each has documents of its own."""
    async with started(UNSURE) as (client, _):
        await client.until("ready")
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(shared: Client) -> AsyncIterator[Client]:
    yield shared
    shared.configure({})  # what a test has set is no longer so
    await shared.until("ready")


def new_uri(name: str = "test.py") -> str:
    return f"untitled:{next(numbers)}/{name}"


async def outcomes(client: Client) -> dict[str, int]:
    return (await client.statistics())["outcomes"]


async def grown(client: Client, before: dict[str, int]) -> dict[str, int]:
    """How many requests have ended, and how, since `before`."""
    now = await outcomes(client)
    return {name: number - before.get(name, 0) for name, number in now.items() if number > before.get(name, 0)}


def texts(items: object) -> list[str]:
    assert isinstance(items, list | tuple)
    return [item.insert_text for item in items]


async def test_capabilities() -> None:
    async with started(encodings=("utf-8", "utf-16")) as (_, result):
        assert result.server_info is not None and result.server_info.name == "lacuna"
        capabilities = result.capabilities
        assert capabilities.inline_completion_provider == types.InlineCompletionOptions()
        assert capabilities.completion_provider is None, "only for who asks for it"
        assert capabilities.position_encoding == "utf-8"
        sync = capabilities.text_document_sync
        assert isinstance(sync, types.TextDocumentSyncOptions)
        assert (sync.open_close, sync.change) == (True, types.TextDocumentSyncKind.Incremental)
        assert capabilities.notebook_document_sync is not None
        assert capabilities.execute_command_provider is not None
        assert set(capabilities.execute_command_provider.commands) == {"lacuna.accepted", "lacuna.statistics"}


@pytest.mark.parametrize(("completion", "inline", "plain"), [("plain", False, True), ("both", True, True)])
async def test_capabilities_are_those_of_the_setting(completion: str, inline: bool, plain: bool) -> None:
    async with started({"completion": completion}) as (_, result):
        assert (result.capabilities.inline_completion_provider is not None) == inline
        assert (result.capabilities.completion_provider is not None) == plain


async def test_a_suggestion_stands_at_the_cursor_and_reports_that_it_was_accepted(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    items = await client.ask(1, 11, uri=uri)
    assert items and len(items) == 1, "one is enough where nobody asked"
    at = types.Position(1, 11)
    assert items[0].range == types.Range(at, at)
    assert texts(items)[0].strip()
    before = (await client.statistics())["accepted"]
    command = items[0].command
    assert command is not None
    await client.workspace_execute_command_async(types.ExecuteCommandParams(command.command, command.arguments))
    assert (await client.statistics())["accepted"] == before + 1


async def test_typing_along_needs_no_model(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    [text] = texts(await client.ask(1, 11, uri=uri))
    before = await outcomes(client)
    for typed in range(1, len(text.rstrip())):
        client.change(1, 10 + typed, text[typed - 1], uri=uri)
        items = await client.ask(1, 11 + typed, uri=uri)
        assert items and texts(items) == [text[typed:]]
        assert items[0].range is not None and items[0].range.start == types.Position(1, 11 + typed)
    last = 10 + len(text.rstrip())
    client.change(1, 11, "", end=(1, last), uri=uri)
    assert texts(await client.ask(1, 11, uri=uri)) == [text], "and going back"
    assert await grown(client, before) == {"recalled": len(text.rstrip())}


async def test_the_gap_after_a_suggestion_is_denoised_before_it_is_taken(client: Client) -> None:
    uri = new_uri()
    lines = "def area(r):\n    return 3 * r\n\n\ndef describe(r):\n    print('area', area(r))\n    #\n"
    client.open(lines, uri)
    [text] = texts(await client.ask(6, 5, uri=uri))
    await client.logged(f"following version=0 .*")
    client.change(6, 5, text, uri=uri)
    before = await outcomes(client)
    await client.ask(6, 5 + len(text), uri=uri)
    assert set(await grown(client, before)) == {"recalled"}


async def test_invoked_requests_bring_several_suggestions(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    found = texts(await client.ask(1, 11, uri=uri, invoked=True))
    assert len(found) > 1
    assert len(set(found)) == len(found)


async def test_what_is_shown_stays_the_first_when_more_are_asked_for(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    [shown] = texts(await client.ask(1, 11, uri=uri))
    several = texts(await client.ask(1, 11, uri=uri, invoked=True))
    assert several[0] == shown
    assert texts(await client.ask(1, 11, uri=uri, invoked=True)) == several
