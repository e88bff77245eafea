"""Blocks that are refilled by code actions: the menu, and over stdio with the real server what resolving gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from edits_client import CAN_RESOLVE, EditsClient, editing
from lsprotocol import types
from marked_text import snapshot_at
from pygls.exceptions import JsonRpcRequestCancelled
from tiny_model import write_tiny_model

from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.refill.actions import Mark, Menu, actions

FIBONACCI = """\
def fibonacci(count):
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]
"""
UNLIKELY = FIBONACCI.replace("numbers[-1] + numbers[-2]", "0")  # the right line would be refilled as it is
in_module = pytest.mark.asyncio(loop_scope="module")
numbers = count(1)


def titles(marked: str, menu: Menu | None = None, known: int = 0) -> list[str]:
    snapshot = snapshot_at(marked)
    menu = menu or Menu(snapshot.place, snapshot.place, candidates=2)
    return [action.title for action in actions(snapshot, menu, lambda block: known)]


def test_at_a_cursor_each_block_is_offered_once() -> None:
    marked = FIBONACCI.replace("append(", "append(|")
    assert titles(marked) == ["Refill this line", "Refill this function body"]
    assert titles(FIBONACCI.replace("while", "|while"))[1:] == ["Refill this statement", "Refill this function body"]


def test_further_drafts_are_offered_when_one_is_known() -> None:
    assert titles("|a = 1\n", known=3) == [
        "Refill this line",
        "Refill this line (candidate 2)",
        "Refill this line (candidate 3)",
    ]


def test_a_selection_alone_is_offered_with_all_drafts() -> None:
    menu = Menu(Place(1, 0), Place(3, 0), candidates=2)
    assert titles(FIBONACCI + "|", menu) == ["Refill the selection", "Refill the selection (candidate 2)"]
    assert titles(FIBONACCI + "\n\n|", Menu(Place(5, 0), Place(7, 0))) == []


def test_what_a_diagnostic_marks() -> None:
    marks = [Mark(Place(1, 4), Place(1, 11), "undefined name\nmore"), Mark(Place(0, 0), Place(0, 0), "at nothing")]
    at = Place(1, 5)
    assert titles(FIBONACCI.replace("bers", "|bers", 1), Menu(at, at, marks))[0] == (
        "Refill what is marked: undefined name"
    )


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (("refactor",), ["Refill this line", "Refill this function body"]),
        (("refactor.rewrite.lacuna.statement",), ["Refill this statement", "Refill this statement (candidate 2)"]),
        (("refactor.rewrite.lacuna.lin",), []),
        (("quickfix", "source"), []),
    ],
)
def test_kinds_are_a_tree(only: tuple[str, ...], expected: list[str]) -> None:
    marked = FIBONACCI.replace("append(", "append(|")
    place = snapshot_at(marked).place
    assert titles(marked, Menu(place, place, only=only, candidates=2)) == expected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(embedded_model: Path) -> AsyncIterator[EditsClient]:
    """One server for all tests with the embedded model; each has documents of its own."""
    async with editing() as (client, _):
        await client.until("ready")
        yield client


def opened(client: EditsClient, text: str = FIBONACCI) -> str:
    uri = f"untitled:{next(numbers)}/test.py"
    client.open(text, uri)
    return uri


async def only(client: EditsClient, uri: str, at: tuple[int, int], unit: str) -> types.CodeAction:
    """The first candidate for a unit."""
    found = await client.menu(uri, at, only=[f"refactor.rewrite.lacuna.{unit}"])
    assert found
    return found[0]


@pytest.mark.weights
@in_module
async def test_resolving_gives_an_edit_that_has_to_be_confirmed(client: EditsClient) -> None:
    uri = opened(client, UNLIKELY)
    action = await only(client, uri, (3, 10), "line")
    assert action.edit is None and action.command is None, "nothing is worked out before it is looked at"
    assert list(action.tags or ()) == [types.CodeActionTag.LlmGenerated]
    resolved = await client.resolve(action)
    assert resolved.edit is not None and resolved.edit.changes is None
    assert resolved.edit.document_changes and resolved.edit.change_annotations
    [change] = resolved.edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document == types.OptionalVersionedTextDocumentIdentifier(uri, 0)
    [edit] = change.edits
    assert isinstance(edit, types.AnnotatedTextEdit)
    assert resolved.edit.change_annotations[edit.annotation_id].needs_confirmation
    assert edit.range == types.Range(types.Position(3, 8), types.Position(3, 25))
    assert edit.new_text.strip() not in ("", UNLIKELY.split("\n")[3].strip())


@pytest.mark.weights
@in_module
async def test_a_document_that_moved_on_gets_no_edit(client: EditsClient) -> None:
    uri = opened(client)
    action = await only(client, uri, (3, 10), "line")
    client.change(0, 0, "# new\n", uri=uri)
    client.messages.clear()
    assert (await client.resolve(action)).edit is None
    assert client.messages == ["Lacuna: the document has changed since: ask for the action anew"]


@pytest.mark.weights
@in_module
async def test_a_change_meanwhile_leaves_no_edit(client: EditsClient) -> None:
    uri = opened(client, FIBONACCI.replace("count", "length"))
    action = await only(client, uri, (3, 10), "body")
    answer = client.resolve(action)
    client.change(0, 0, "# new\n", uri=uri)
    client.messages.clear()
    assert (await answer).edit is None
    assert len(client.messages) == 1 and "changed" in client.messages[0]


@pytest.mark.weights
@in_module
async def test_closed_and_secret_documents_get_nothing(client: EditsClient) -> None:
    uri = opened(client)
    action = await only(client, uri, (3, 10), "line")
    identifier = types.TextDocumentIdentifier(uri)
    client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))
    assert not await client.menu(uri, (3, 10))
    assert (await client.resolve(action)).edit is None
    client.open("KEY = 1\n", "file:///project/.env", "python")
    assert not await client.menu("file:///project/.env", (0, 1))


@pytest.mark.weights
@in_module
async def test_a_block_cursor_is_no_selection(client: EditsClient) -> None:
    """As Helix has it, also on a line's end."""
    uri = opened(client)
    end = len(FIBONACCI.split("\n")[3])
    for start, stop in (((3, 10), (3, 11)), ((3, end), (4, 0))):
        at_cursor = [action.title for action in await client.menu(uri, start) or ()]
        assert [action.title for action in await client.menu(uri, start, stop) or ()] == at_cursor != []
    selected = await client.menu(uri, (3, 8), (3, 11)) or ()
    assert selected and all("Refill the selection" in action.title for action in selected)


@pytest.mark.weights
@in_module
async def test_line_ends_and_positions_are_the_documents(client: EditsClient) -> None:
    uri = opened(client, "face = '😀'; faces = " + "zq3([7, 4])\r\nprint(faces)\r\n")
    menu = await client.menu(uri, (0, 21), (0, 32))
    assert menu
    edit = (await client.resolve(menu[0])).edit
    assert edit is not None and edit.document_changes
    [change] = edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    assert change.edits[0].range == types.Range(types.Position(0, 21), types.Position(0, 32))


@pytest.mark.weights
@in_module
async def test_what_a_diagnostic_marks_is_refilled(client: EditsClient) -> None:
    uri = opened(client, "values = [3, 1, 2]\nfor value in sorted(values):\n    print(vaule)\n")
    marked = types.Diagnostic(types.Range(types.Position(2, 10), types.Position(2, 15)), "undefined name 'vaule'")
    [action] = await client.menu(uri, (2, 12), diagnostics=[marked], only=["quickfix.lacuna.diagnostic"]) or [None]
    assert action is None, "there are no kinds below that one"
    action, *_ = await client.menu(uri, (2, 12), diagnostics=[marked], only=["quickfix"]) or [None]
    assert action is not None and action.diagnostics and action.diagnostics[0].message == marked.message
    edit = (await client.resolve(action)).edit
    assert edit is not None and edit.document_changes
    [change] = edit.document_changes
    assert isinstance(change, types.TextDocumentEdit) and change.edits[0].range == marked.range


async def test_clients_that_cannot_resolve_are_offered_nothing() -> None:
    async with editing({"enabled": False}, code_action=None) as (_, result):
        assert result.capabilities.code_action_provider is None
    async with editing({"enabled": False}) as (client, result):
        provider = result.capabilities.code_action_provider
        assert isinstance(provider, types.CodeActionOptions) and provider.resolve_provider
        client.open(FIBONACCI)
        assert not await client.menu("untitled:test.py", (3, 10)), "switched off"


@pytest.mark.weights
@pytest.mark.parametrize("documents", [False, True])
async def test_edits_are_as_the_client_understands_them(embedded_model: Path, documents: bool) -> None:
    untagged = types.CodeActionClientCapabilities(data_support=True, resolve_support=CAN_RESOLVE.resolve_support)
    versioned = types.WorkspaceEditClientCapabilities(document_changes=True) if documents else None
    async with editing(code_action=untagged, workspace_edit=versioned) as (client, _):
        await client.until("ready")
        client.open(UNLIKELY)
        action = await only(client, "untitled:test.py", (3, 10), "line")
        assert action.tags is None
        edit = (await client.resolve(action)).edit
        assert edit is not None and edit.change_annotations is None
        assert (edit.document_changes is not None) == documents and (edit.changes is None) == documents


@pytest.mark.weights
async def test_candidates_differ_and_are_offered_once_one_is_known(embedded_model: Path) -> None:
    async with editing({"num_candidates": 6}) as (client, _):
        await client.until("ready")
        client.open(UNLIKELY)
        line, body = await client.menu("untitled:test.py", (3, 10)) or ()
        assert body.title == "Lacuna: Refill this function body", "one of each"
        first = await client.resolve(line)
        again, *others = await client.menu("untitled:test.py", (3, 10)) or ()
        assert (await client.resolve(again)).edit == first.edit is not None, "it is worked out once"
        assert [one.title for one in others][:1] == ["Lacuna: Refill this line (candidate 2)"]
        resolved = [first, *[await client.resolve(one) for one in others if "this line" in one.title]]
        written = [new_text(one) for one in resolved if one.edit is not None]
        assert 1 < len(written) == len(set(written))


async def test_cancelling_stops_the_work(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", endless=True)
    async with editing({"model": str(model), "log_level": "debug"}) as (client, _):
        await client.until("ready")
        client.open("word\n" * 700, language="plaintext")
        action, *_ = await client.menu("untitled:test.py", (0, 0), (600, 0)) or [None]
        assert action is not None
        answer = client.resolve(action, id="slow")
        await asyncio.sleep(0.03)  # all of it takes 0.2 s on a fast machine
        client.cancel("slow")
        with pytest.raises(JsonRpcRequestCancelled):
            await answer
        again = await client.resolve(await first_line(client))  # its one letter over and over is no edit
        assert again.title == "Lacuna: Refill this line", "and the server goes on"


def new_text(action: types.CodeAction) -> str:
    assert action.edit is not None and action.edit.document_changes
    [change] = action.edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    return change.edits[0].new_text


async def first_line(client: EditsClient) -> types.CodeAction:
    action, *_ = await client.menu("untitled:test.py", (0, 2)) or [None]
    assert action is not None
    return action
