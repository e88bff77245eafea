"""A client that only asks for next edits is offered what goes on at the cursor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from edits_client import EditsClient, editing

from lacuna.lsp_server.edits.next_edit.own_line import MOST_TYPED, is_typed
from lacuna.lsp_server.edits.next_edit.recent_edits import RecentEdit

URI = "untitled:area.py"
CODE = "def area(width, height):\n    "


@pytest.mark.parametrize(
    ("before", "old", "new", "after", "expected"),
    [
        ("x = ", "", "foo", "\n", True),
        ("x = ", "", "foo(|)", "\n", True),  # an editor has closed it
        ("x = ", "3", "foo", "\n", True),
        ("x = ", "a long name", "foo", "\n", False),  # most of it went
        ("x = ", "foo", "", "\n", False),
        ("x", "", "\n    ", "", False),
        ("x = ", "", "|foo", "\n", False),  # the cursor stands before it
        ("x = ", "", "f|oo", "\n", False),
        ("", "", "x" * (MOST_TYPED + 1), "", False),
    ],
)
def test_when_somebody_types(before: str, old: str, new: str, after: str, expected: bool) -> None:
    typed, mark, closed = new.partition("|")
    text = before + typed + closed + after
    edit = RecentEdit(len(before), len(before) + len(typed + closed), old)
    assert is_typed(edit, text, len(before + typed)) == expected
    assert mark or not closed


async def offered(client: EditsClient, id: str, at: tuple[int, int] = (1, 11), version: int = 1) -> list[Any]:
    answer = await asyncio.wait_for(client.next_edits(URI, version, at, id), 60)
    return list(answer.edits)


async def test_it_is_offered_once_and_not_to_who_asks_for_completions() -> None:
    async with editing() as (client, _):
        client.open(CODE, URI)
        await client.until("ready")
        client.replace(URI, 1, (1, 4), (1, 4), "return ")
        [edit] = await offered(client, "one")
        assert edit.text.startswith("width")
        assert (edit.range.start.line, edit.range.start.character, edit.range.end.character) == (1, 11, 11)
        client.notify_shown(edit)
        await client.run("lacuna.dismissed", *edit.command.arguments)
        assert await offered(client, "two") == [], "it was dismissed"
        client.replace(URI, 2, (1, 11), (1, 11), "w")
        [edit] = await offered(client, "three", (1, 12), 2)
        assert edit.text.startswith("idth")
        await client.ask(1, 12, uri=URI)
        assert await offered(client, "four", (1, 12), 2) == [], "it is ghost text already"


async def test_who_wants_no_next_edits_gets_none() -> None:
    async with editing({"nextEdits": False}) as (client, _):
        client.open(CODE, URI)
        await client.until("ready")
        client.replace(URI, 1, (1, 4), (1, 4), "return ")
        assert await offered(client, "one") == []


async def test_to_type_something_else_is_no_word_on_it() -> None:
    async with editing() as (client, _):
        client.open(CODE, URI)
        await client.until("ready")
        client.replace(URI, 1, (1, 4), (1, 4), "return ")
        [first] = await offered(client, "one")
        client.replace(URI, 2, (1, 11), (1, 11), "h")
        await offered(client, "two", (1, 12), 2)
        client.replace(URI, 3, (1, 11), (1, 12), "")
        client.replace(URI, 4, (1, 4), (1, 11), "")
        client.replace(URI, 5, (1, 4), (1, 4), "return ")
        [again] = await offered(client, "three", version=5)
        assert again.text == first.text


async def test_line_ends_of_two_characters_are_one() -> None:
    async with editing() as (client, _):
        client.open("x = 1\r\n" * 30 + CODE.replace("\n", "\r\n"), URI)
        await client.until("ready")
        client.replace(URI, 1, (31, 4), (31, 4), "return ")
        [edit] = await offered(client, "one", (31, 11))
        assert edit.text.startswith("width") and edit.range.start.line == 31


async def test_after_what_was_taken_away_nothing_is() -> None:
    async with editing() as (client, _):
        client.open(CODE + "return width", URI)
        await client.until("ready")
        client.replace(URI, 1, (1, 11), (1, 16), "")
        assert await offered(client, "one") == []
