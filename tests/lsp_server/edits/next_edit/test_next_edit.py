"""Next edits over stdio, with the real server and the embedded model, as Copilot's clients ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from edits_client import EditsClient, editing
from language_client import PATIENCE
from pygls.exceptions import JsonRpcException, JsonRpcRequestCancelled

from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.next_edit.offers import Offers
from lacuna.lsp_server.edits.replacement import Replacement

# The second line follows the first by 15 nats: to the base alone, whatever the adapter.
LOAD = """\
import json

with open('data.json') as handle:
    data = json.load(handle)
print(data)
"""
NAME = ((2, 26), (2, 32))
FOLLOWED = "json.load(file)"

pytestmark = [pytest.mark.weights, pytest.mark.asyncio(loop_scope="module")]
numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(embedded_model: Path) -> AsyncIterator[EditsClient]:
    """One server for most tests; each has documents of its own."""
    async with editing() as (client, _):
        await client.until("ready")
        yield client


class Editor:
    """A user with one document."""

    def __init__(self, client: EditsClient, text: str = LOAD, language: str = "python", uri: str = "") -> None:
        self.client = client
        self.text = text
        self.uri = uri or f"untitled:{next(numbers)}/test.py"
        self.version = 0
        client.open(text, self.uri, language)

    def replace(self, start: tuple[int, int], end: tuple[int, int], new: str) -> None:
        self.version += 1
        self.client.replace(self.uri, self.version, start, end, new)
        lines = self.text.split("\n")
        first, last = (sum(len(line) + 1 for line in lines[: at[0]]) + at[1] for at in (start, end))
        self.text = self.text[:first] + new + self.text[last:]

    def rename(self) -> None:
        self.replace(*NAME, "file")

    def ask(self, line: int = 2, id: str = "", version: int | None = None) -> asyncio.Future[Any]:
        version = self.version if version is None else version
        return self.client.next_edits(self.uri, version, (line, 0), id or f"next-{next(numbers)}")

    async def offered(self, line: int = 2) -> Any | None:
        edits = (await self.ask(line)).edits
        assert len(edits) <= 1, "one at a time"
        return edits[0] if edits else None

    def apply(self, edit: Any) -> None:
        start, end = edit.range.start, edit.range.end
        self.replace((start.line, start.character), (end.line, end.character), edit.text)


async def test_an_edit_that_follows_is_offered_taken_and_not_offered_again(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    edit = await editor.offered()
    assert edit is not None
    assert (edit.textDocument.uri, edit.textDocument.version) == (editor.uri, 1)
    client.notify_shown(edit)
    editor.apply(edit)
    assert FOLLOWED in editor.text
    await client.run(edit.command.command, *edit.command.arguments)
    assert await editor.offered(3) is None, "nothing is left to do"


async def test_nothing_follows_from_nothing(client: EditsClient) -> None:
    editor = Editor(client)
    assert await editor.offered() is None, "nothing was edited"
    editor.replace((2, 4), (2, 4), " ")
    assert await editor.offered() is None, "white space"
    editor.replace((2, 34), (2, 34), "  # the data")
    assert await editor.offered() is None, "a comment"
    editor.replace((4, 11), (4, 11), "\n\n")
    assert await editor.offered() is None, "blank lines"


async def test_what_was_undone_has_no_consequences(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    assert await editor.offered() is not None
    editor.replace((2, 26), (2, 30), "handle")
    assert editor.text == LOAD
    assert await editor.offered() is None


async def test_a_dismissed_offer_does_not_come_back(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    edit = await editor.offered()
    assert edit is not None
    await client.run("lacuna.dismissed", *edit.command.arguments)
    assert await editor.offered() is None
    editor.replace((0, 0), (0, 0), "# more\n")
    assert await editor.offered(3) is None, "nor after an edit elsewhere"


async def test_going_on_with_something_else_dismisses_an_offer(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    assert await editor.offered() is not None
    editor.replace((4, 11), (4, 11), "\n# something else")
    assert await editor.offered() is None


async def test_an_offer_that_was_taken_back_is_not_made_again(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    edit = await editor.offered()
    assert edit is not None
    editor.apply(edit)
    await client.run(edit.command.command, *edit.command.arguments)
    editor.replace((3, 0), (3, 28), "    data = json.load(handle)")
    assert await editor.offered() is None


async def test_other_versions_and_documents_get_nothing(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    assert (await editor.ask(version=0)).edits == []
    assert (await client.next_edits("untitled:unknown.py", 0, (0, 0), "unknown")).edits == []
    secret = Editor(client, uri="file:///project/.env")
    secret.rename()
    assert await secret.offered() is None


async def test_other_documents_follow_too(client: EditsClient) -> None:
    tests = Editor(client, "assert total([1, 2]) == 3\n")
    code = Editor(
        client,
        "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result\n",
    )
    code.replace((0, 4), (0, 9), "sum_of")
    edit = await code.offered(0)
    assert edit is not None and edit.textDocument.uri == tests.uri and edit.textDocument.version == 0
    tests.apply(edit)
    assert tests.text == "assert sum_of([1, 2]) == 3\n"


async def test_typing_on_ends_a_search(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    answer = editor.ask()
    editor.replace((2, 30), (2, 30), "s")
    assert (await answer).edits == []
    edit = await editor.offered()
    assert edit is not None
    editor.apply(edit)
    assert "json.load(files)" in editor.text


async def test_cancelling_and_newer_requests(client: EditsClient) -> None:
    editor = Editor(client)
    editor.rename()
    first, second = editor.ask(2, "first"), editor.ask(3, "second")
    client.cancel("second")
    with pytest.raises(JsonRpcRequestCancelled):
        await second
    assert (await first).edits == [], "superseded"
    assert await editor.offered() is not None


async def test_a_completion_does_not_wait_for_a_search_and_both_are_answered(client: EditsClient) -> None:
    editor, other = Editor(client), Editor(client)
    editor.rename()
    await editor.ask()  # once, so that what is read of the file is known
    search = editor.ask()
    await asyncio.sleep(0.15)  # it is under way
    assert await client.ask(4, 11, uri=other.uri, invoked=True) is not None
    assert (await search).edits


async def test_line_ends_are_the_documents(client: EditsClient) -> None:
    editor = Editor(client, LOAD.replace("\n", "\r\n"))
    editor.client.replace(editor.uri, 1, *NAME, "file")
    editor.version = 1
    edit = await editor.offered()
    assert edit is not None and edit.range.start.line == 3 and "\r" not in edit.text


async def test_reports_of_what_is_unknown_do_no_harm(client: EditsClient) -> None:
    editor = Editor(client)
    await client.run("lacuna.dismissed", 999_999)
    await client.run("lacuna.editAccepted", 999_999)
    client.send("textDocument/didFocus", {"textDocument": {"uri": editor.uri}})
    client.send("textDocument/didFocus", {})
    editor.rename()
    assert await editor.offered() is not None


async def test_instructions_need_a_model_that_follows_them(client: EditsClient) -> None:
    editor = Editor(client)
    span = {"start": {"line": 2, "character": 0}, "end": {"line": 4, "character": 0}}
    asked = {"textDocument": {"uri": editor.uri}, "range": span, "instruction": "use a context manager"}
    with pytest.raises(JsonRpcException, match="follows no instructions"):
        await client.run("lacuna.rewrite", asked)
    with pytest.raises(JsonRpcException, match="needs textDocument"):
        await client.run("lacuna.rewrite", {"instruction": "x"})


async def test_the_setting_and_the_status() -> None:
    async with editing({"next_edits": False}) as (client, _):
        await client.until("ready")
        assert {"loading", "ready"} <= set(client.states)
        async with asyncio.timeout(PATIENCE):
            while len(client.copilot) < 2:  # it follows our own status
                await asyncio.sleep(0.01)
        assert [status.busy for status in client.copilot] == [True, False]
        assert {status.kind for status in client.copilot} == {"Normal"}
        editor = Editor(client)
        editor.rename()
        assert await editor.offered() is None
        client.configure({"nextEdits": True})
        assert await editor.offered() is not None


def offers_with_one() -> Offers:
    offers = Offers()
    offers.make("a.py", "a.py", 1, Replacement("new", Place(0, 0), Place(0, 3)), "old", "new")
    return offers


async def test_offers_are_counted_once() -> None:
    offers = offers_with_one()
    assert offers.open is not None
    id = offers.open.id
    offers.show(id)
    offers.moved_on("a.py", "new\n")
    offers.accept(id)
    assert (offers.offered, offers.shown, offers.accepted, offers.dismissed) == (1, 1, 1, 0)
    assert offers.open is None and not offers.was_dismissed("a.py", "old", "new")


async def test_what_is_taken_and_undone_counts_as_refused() -> None:
    offers = offers_with_one()
    offers.moved_on("a.py", "new\n")
    offers.moved_on("a.py", "old\n")
    assert offers.was_dismissed("a.py", "old", "new") and not offers.was_dismissed("b.py", "old", "new")
