"""The real server over stdio, with the embedded model: what an editor sees of it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from language_client import SERVE, Client, connected, listening, started
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled
from tiny_model import write_tiny_model

from lacuna.engine.store import model_store
from lacuna.lsp_server.protocol import names

pytestmark = [pytest.mark.weights, pytest.mark.asyncio(loop_scope="module")]

ADD = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"
COMMANDS = {f"lacuna.{name}" for name in ("accepted", "partiallyAccepted", "statistics", "frames", "pull", "models")}
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
        assert set(capabilities.execute_command_provider.commands) >= COMMANDS


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
    start = "def find(items, name):\n    for item in items:\n        "
    end = (
        "\n    return None\n\n\ndef find_all(items, name):\n    return [item for item in items if item.name == name]\n"
    )
    uri = new_uri()
    client.open(start + end, uri)
    client.logs.clear()
    [suggestion] = texts(await client.ask(2, 8, uri=uri))
    followed = await client.logged(r"^prefetch .* -> (.*)")
    assert followed[1] == "shown", "a condition is followed by what is done then"
    client.change(2, 8, suggestion, uri=uri)
    before = await outcomes(client)
    assert await client.ask(2, 8 + len(suggestion), uri=uri)
    assert await grown(client, before) == {"recalled": 1}


async def test_where_the_cursor_rests_the_text_is_read_ahead(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    client.logs.clear()
    for wrong in ({}, {"textDocument": {"uri": uri}, "position": {"line": 1 << 40, "character": -1}}):
        client.protocol.notify(names.CURSOR, wrong)
    client.protocol.notify(names.CURSOR, {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 11}})
    await client.logged(r"^prefill of version 0: ")
    assert texts(await client.ask(1, 11, uri=uri))


async def test_where_the_cursor_rested_while_the_model_was_loading_is_read_once_it_is_there() -> None:
    uri = new_uri()
    async with started(UNSURE) as (client, _):
        client.open(ADD * 2, uri)
        for line in (1, 6):  # the last place counts
            position = {"line": line, "character": 11}
            client.protocol.notify(names.CURSOR, {"textDocument": {"uri": uri}, "position": position})
        await client.logged(r"^prefill of version 0: ")
        assert (await client.logged(r" is ready: ")) and await client.ask(6, 11, uri=uri)
        assert len([line for line in client.logs if line.startswith("prefill of")]) == 1


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


async def test_the_newest_request_wins_and_older_ones_are_answered_null_at_once(client: Client) -> None:
    uri = new_uri()
    client.open(ADD * 5, uri)
    before = await outcomes(client)
    answered: list[int] = []
    requests = [client.ask(5 * number + 1, 10, uri=uri, invoked=True) for number in range(5)]
    for number, request in enumerate(requests):
        request.add_done_callback(lambda _, number=number: answered.append(number))
    results = await asyncio.gather(*requests)
    assert results[:-1] == [None] * 4
    assert results[-1] is not None
    assert answered == [0, 1, 2, 3, 4]
    assert (await grown(client, before))["superseded"] == 4


async def test_a_request_for_another_document_supersedes_too(client: Client) -> None:
    first, second = new_uri(), new_uri()
    client.open(ADD, first)
    client.open(ADD, second)
    older, newer = client.ask(1, 11, uri=first, invoked=True), client.ask(1, 11, uri=second)
    assert await older is None
    assert await newer


async def test_cancelling_a_request_stops_the_engine_in_mid_denoising(client: Client) -> None:
    uri = new_uri()
    client.open(ADD + "def sub(a, b):\n    \n", uri)
    await client.command("frames", True)
    client.logs.clear()
    before = await outcomes(client)
    request = client.ask(6, 4, uri=uri, invoked=True, id="to cancel")
    while not client.frames:
        await asyncio.sleep(0.001)
    client.cancel_request(types.CancelParams("to cancel"))
    with pytest.raises(JsonRpcRequestCancelled):
        await request
    stopped = await client.logged(r"the engine stopped after (\d+) steps")
    assert int(stopped[1]) > 0
    assert await grown(client, before) == {"cancelled": 1}
    await client.command("frames", False)
    assert await client.ask(6, 4, uri=uri, invoked=True), "the next request is answered"


async def test_an_answer_that_the_text_has_left_is_not_given(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    before = await outcomes(client)
    request = client.ask(1, 11, uri=uri)
    client.change(1, 11, "§", uri=uri)
    assert await request is None
    assert await grown(client, before) == {"stale": 1}


async def test_an_answer_to_which_one_has_typed_the_beginning_is_given_without_it(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    [text] = texts(await client.ask(1, 11, uri=uri))
    other = new_uri()
    client.open(ADD, other)
    request = client.ask(1, 11, uri=other)
    client.change(1, 11, text[:1], uri=other)
    items = await request
    assert items and texts(items) == [text[1:]]
    assert items[0].range is not None and items[0].range.start == types.Position(1, 12)


async def test_a_request_waits_for_newer_ones_if_it_is_told_to(client: Client) -> None:
    client.configure({"debounce_ms": 200})
    uri = new_uri()
    client.open(ADD, uri)
    before = await outcomes(client)
    request = client.ask(1, 11, uri=uri)
    await asyncio.sleep(0.05)
    client.change(1, 11, "b", uri=uri)
    assert await request is None
    older = client.ask(1, 12, uri=uri)
    client.change(1, 11, "", end=(1, 12), uri=uri)
    newer = client.ask(1, 11, uri=uri)
    assert await older is None and await newer
    assert await grown(client, before) == {"stale": 1, "superseded": 1, "shown": 1}


async def test_the_menu_and_ghost_text_share_one_answer(client: Client) -> None:
    client.configure({"completion": "both"})
    uri = new_uri()
    client.open(
        "def add(first, second):\n    return fi\n\n\nprint(add(1, 2))\n", uri
    )  # whatever the CPU, it goes on so
    before = await outcomes(client)
    place = types.TextDocumentIdentifier(uri), types.Position(1, 13)
    menu = client.text_document_completion_async(types.CompletionParams(*place))
    ghost = client.ask(1, 13, uri=uri)
    listed, items = await asyncio.gather(menu, ghost)
    assert isinstance(listed, types.CompletionList) and items
    assert listed.is_incomplete
    [item] = listed.items
    assert item.text_edit == types.TextEdit(
        types.Range(types.Position(1, 11), types.Position(1, 13)), "fi" + texts(items)[0]
    )
    assert item.filter_text is not None and item.filter_text.startswith("fi")
    assert await grown(client, before) == {"shown": 2}


async def test_a_suggestion_goes_on_from_what_the_menu_has_selected(client: Client) -> None:
    uri = new_uri()
    client.open("import math\n\narea = math.p\nprint(area)\n", uri)
    items = await client.ask(2, 13, uri=uri, selected=(12, "pi"))
    assert items is not None
    for item in items:
        assert item.insert_text.startswith("pi")
        assert item.range == types.Range(types.Position(2, 12), types.Position(2, 13))
    before = await outcomes(client)
    assert texts(await client.ask(2, 13, uri=uri, selected=(12, "exp"))) == []
    assert await grown(client, before) == {"menu": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_are_in_the_encoding_that_was_negotiated(encoding: str, embedded_model: Path) -> None:
    def width(text: str) -> int:
        return {"utf-8": len(text.encode()), "utf-16": len(text.encode("utf-16-le")) // 2, "utf-32": len(text)}[
            encoding
        ]

    async with started(UNSURE, encodings=(encoding,)) as (client, result):
        assert result.capabilities.position_encoding == encoding
        await client.until("ready")
        client.open("s = 0\r\nt = 0\r\n")
        before = "smile, sorrow = '😀', '😭é'; both = ["
        client.change(0, 0, before, end=(0, 5))
        client.change(0, width(before), "smile, ]")
        before += "smile, "
        [text] = texts(items := await client.ask(0, width(before)))
        assert items and items[0].range and items[0].range.start == types.Position(0, width(before))
        assert text.startswith("s"), "it has read what stands before: the names are smile and sorrow"
        client.change(0, width(before), "s")
        assert texts(await client.ask(0, width(before) + 1)) == [text[1:]]


async def test_lines_end_where_lsp_says_and_not_at_form_feeds(client: Client) -> None:
    uri = new_uri()
    client.open("a = 1\x0cb = 2\u2028\x85\n\x0c\ndef add(a, b):\r    return \r\n\x0b\nprint(add(1, 2))\n", uri)
    client.change(2, 13, ":", end=(2, 14), uri=uri)
    items = await client.ask(3, 11, uri=uri)
    assert items and items[0].range and items[0].range.start == types.Position(3, 11)
    before = await outcomes(client)
    assert await client.ask(7, 0, uri=uri) is None
    assert await grown(client, before) == {"outside": 1}, "there are seven lines"


async def test_a_position_behind_the_end_of_a_line_is_the_end_of_the_line(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    items = await client.ask(1, 2_000_000_000, uri=uri)
    assert items and items[0].range and items[0].range.start == types.Position(1, 11)


BAD = {
    "empty": ("", (0, 0)),
    "one line of a megabyte": ("x = [" + "1, " * 350_000 + "]\n", (0, 500_000)),
    "twenty megabytes": ("def f(a, b):\n    return a + b\n\n\n" * 600_000, (1_000_000, 0)),
    "a null byte": ("x = 1\0\ny = \n", (1, 4)),
    "lone surrogates": ("x = '\ud800\udfff\ud83d'\ny = \n", (1, 4)),
}


@pytest.mark.parametrize("name", BAD)
async def test_documents_that_no_editor_should_send(client: Client, name: str) -> None:
    text, (line, column) = BAD[name]
    uri, other = new_uri(), new_uri()
    client.open(text, uri)
    await client.ask(line, column, uri=uri)
    client.change(line, column, "y", uri=uri)
    await client.ask(line, column + 1, uri=uri)
    client.open(ADD, other)
    assert await client.ask(1, 11, uri=other), "the next request is answered"
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))


@pytest.mark.parametrize("position", [{"line": -1, "character": 0}, {"line": "one", "character": 0}, {"line": 0}, None])
async def test_a_request_that_cannot_be_read_is_answered_with_an_error(client: Client, position: object) -> None:
    params = {"textDocument": {"uri": "untitled:x"}, "position": position, "context": {"triggerKind": 2}}
    answer = client.send(types.TEXT_DOCUMENT_INLINE_COMPLETION, params, f"bad {next(numbers)}")
    assert answer is not None
    with pytest.raises(JsonRpcInvalidParams):
        await answer
    assert client.messages == []


async def test_messages_about_documents_that_are_not_open(client: Client) -> None:
    uri = new_uri()
    client.change(0, 0, "x", uri=uri)
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    before = await outcomes(client)
    assert await client.ask(0, 0, uri=uri) is None
    assert await grown(client, before) == {"not_open": 1}
    client.open(ADD, uri)
    assert await client.ask(1, 11, uri=uri)


@pytest.mark.parametrize("name", [".env", "id_rsa", "server.pem", "mine.secret.py"])
async def test_files_that_may_hold_secrets_are_left_alone(client: Client, name: str) -> None:
    client.configure({"excluded": ["*.secret.py"]})
    uri = new_uri(name)
    client.open(ADD, uri)
    before = await outcomes(client)
    assert await client.ask(1, 11, uri=uri) is None
    assert await client.ask(1, 11, uri=uri, invoked=True) is None
    assert await grown(client, before) == {"excluded": 2}


async def test_settings_hold_at_once(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    shown = texts(await client.ask(1, 11, uri=uri))
    client.configure({"lacuna": {"confidence": 1.0}})
    assert texts(await client.ask(1, 11, uri=uri)) == []
    client.configure({"lacuna": {"confidence": 1.0, "disabled_languages": ["python"]}})
    assert await client.ask(1, 11, uri=uri) is None
    client.configure({"disabledLanguages": ["go"]})
    assert texts(await client.ask(1, 11, uri=uri)) == shown


async def test_switched_off_it_does_nothing_and_switched_on_again_it_does(client: Client) -> None:
    uri = new_uri()
    client.open(ADD, uri)
    client.configure({"enabled": False})
    await client.until("off")
    assert await client.ask(1, 11, uri=uri) is None
    client.configure({"enabled": True})
    await client.until("ready")
    assert await client.ask(1, 11, uri=uri)


async def test_another_model_is_loaded_in_the_background(client: Client, tmp_path: Path) -> None:
    tiny = write_tiny_model(tmp_path)
    client.states.clear()
    client.configure({"model": str(tiny), "dtype": "float32"})
    await client.until("ready")
    assert client.states[0] == "loading"
    assert str(tiny) in client.status and "float32" in client.status


async def test_a_setting_that_is_none_is_named_once(client: Client) -> None:
    client.configure({"confidense": 0.5})
    client.configure({"confidense": 0.5})
    await client.statistics()
    assert client.messages == ["Lacuna: unknown setting 'confidense', did you mean 'confidence'?"]
    client.messages.clear()


async def test_a_client_that_sends_no_settings_is_asked_for_them(client: Client) -> None:
    client.settings = {"enabled": False}
    client.configure(None)
    await client.until("off")
    client.settings = None


async def test_the_menu_can_be_chosen_later(embedded_model: Path) -> None:
    async with started(UNSURE) as (client, _):
        await client.until("ready")
        client.configure({"completion": "plain"})
        client.open(ADD)
        place = types.TextDocumentIdentifier("untitled:test.py"), types.Position(1, 11)
        listed = await client.text_document_completion_async(types.CompletionParams(*place))
        assert isinstance(listed, types.CompletionList) and len(listed.items) == 1
        assert "\0" < (listed.items[0].sort_text or "") < " ", "above all others, and without NUL, which Emacs refuses"
        assert client.registered == [types.TEXT_DOCUMENT_COMPLETION]
        assert await client.ask(1, 11) is None


async def test_cells_of_a_notebook_are_read_together(client: Client) -> None:
    notebook, cells = "vscode-notebook:/work.ipynb", [f"vscode-notebook-cell:/work.ipynb#{name}" for name in "abc"]
    client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument(notebook, "jupyter-notebook", 0, [_cell(cell) for cell in cells[:2]]),
            [
                types.TextDocumentItem(cells[0], "python", 0, "def quadruple_root(number):\n    return number\n"),
                types.TextDocumentItem(cells[1], "python", 0, "print(quadr"),
            ],
        )
    )
    [text] = texts(await client.ask(0, 11, uri=cells[1]))
    assert text.startswith("uple_root")
    new = types.TextDocumentItem(cells[2], "python", 0, "x = quadr")
    array = types.NotebookCellArrayChange(1, 0, [_cell(cells[2])])
    structure = types.NotebookDocumentCellChangeStructure(array, did_open=[new])
    insert = types.TextDocumentContentChangePartial(types.Range(types.Position(0, 0), types.Position(0, 0)), "y = ")
    content = types.NotebookDocumentCellContentChanges(types.VersionedTextDocumentIdentifier(1, cells[2]), [insert])
    changes = types.NotebookDocumentCellChanges(structure, text_content=[content])
    identifier = types.VersionedNotebookDocumentIdentifier(1, notebook)
    client.notebook_document_did_change(
        types.DidChangeNotebookDocumentParams(identifier, types.NotebookDocumentChangeEvent(cells=changes))
    )
    [text] = texts(await client.ask(0, 13, uri=cells[2]))
    assert text.startswith("uple_root")
    closed = [types.TextDocumentIdentifier(cell) for cell in cells]
    client.notebook_document_did_close(
        types.DidCloseNotebookDocumentParams(types.NotebookDocumentIdentifier(notebook), closed)
    )
    assert await client.ask(0, 11, uri=cells[1]) is None


def _cell(uri: str) -> types.NotebookCell:
    return types.NotebookCell(types.NotebookCellKind.Code, uri)


async def test_a_missing_model_is_told_once_and_found_when_it_is_there(tmp_path: Path) -> None:
    model = tmp_path / "model"
    async with started({"model": str(model), "threads": 1, "confidence": 0.0}) as (client, _):
        await client.until("error")
        client.open(ADD)
        client.change(1, 11, "a")
        assert await client.ask(1, 12) is None
        assert client.messages == [f"Lacuna: {client.status}"]
        assert str(model) in client.status
        write_tiny_model(model)
        while "ready" not in client.states:
            await client.ask(1, 12)
            await asyncio.sleep(0.2)
        assert await client.ask(1, 12, invoked=True) is not None
        assert len(client.messages) == 1


@pytest.mark.parametrize("model", ["auto", model_store.DEFAULT_PULL])
async def test_no_model_was_pulled(model: str, tmp_path: Path) -> None:
    async with started({"model": model}, LACUNA_CACHE=str(tmp_path)) as (client, _):
        await client.until("error")
        assert f"run `lacuna pull {model_store.DEFAULT_PULL}`" in client.status


async def test_auto_is_the_only_model_that_was_pulled(embedded_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "models" / embedded_model.name
    shutil.copytree(embedded_model, place, copy_function=os.link)
    environment = {"LACUNA_CACHE": str(tmp_path), "LACUNA_STATE": str(tmp_path / "state")}
    async with started({"model": "auto"}, **environment) as (client, _):
        await client.until("ready")
        assert client.status.startswith(f"{embedded_model.name}: ")
        auto, *others = await client.command("models")
        assert (auto["name"], auto["pulled"], auto["directory"]) == ("auto", True, str(place.parent))
        assert [option["name"] for option in others if option["pulled"]] == [embedded_model.name]
    assert not (tmp_path / "state" / "speed.json").exists(), "there is nothing to choose"


async def test_auto_leaves_the_choice_to_the_command_line(tmp_path: Path) -> None:
    one, other = write_tiny_model(tmp_path / "one"), write_tiny_model(tmp_path / "other")
    quick = {"threads": 1, "dtype": "float32"}
    async with started({"model": "auto", **quick}, arguments=("--model", str(one))) as (client, _):
        for settings, model in (({}, one), ({"model": str(other)}, other), ({"model": "auto"}, one)):
            client.configure(settings)
            async with asyncio.timeout(60):
                while not client.status.startswith(f"{model}: "):
                    await asyncio.sleep(0.05)


async def test_a_model_that_is_damaged_in_an_unforeseen_way(tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / "tokenizer.json").write_text("{", encoding="utf-8")
    async with started({"model": str(tmp_path)}) as (client, _):
        await client.until("error")
        assert "cannot be loaded" in client.status
        client.open(ADD)
        assert await client.ask(1, 11) is None


async def test_clients_on_tcp_share_a_model(tmp_path: Path) -> None:
    settings = {"model": str(write_tiny_model(tmp_path)), "threads": 1, "log_level": "debug"}
    async with listening() as (host, port, token):
        for number in range(2):
            async with connected(host, port, token, settings) as client:
                await client.until("ready")
                client.open(ADD)
                await client.ask(1, 11, invoked=True)
                assert (await outcomes(client)).keys() & {"shown", "recalled", "empty", "unbalanced", "parse_worse"}, (
                    number
                )


async def test_settings_of_clients_on_tcp_are_their_own(tmp_path: Path) -> None:
    """Whatever another client sets, and however it fails: a client's model, status and log stay as they are."""
    settings: dict[str, Any] = {"model": str(write_tiny_model(tmp_path / "one")), "threads": 1, **UNSURE}
    changes: list[dict[str, Any]] = [
        {"enabled": False},
        {"model": str(tmp_path / "missing")},
        {"model": str(write_tiny_model(tmp_path / "two"))},
        {"adapter": "no-such-adapter"},
        {"confidence": 1.0, "excluded": ["*"], "log_level": "error"},
    ]
    async with listening() as (host, port, token), connected(host, port, token, settings) as client:
        await client.until("ready")
        states = list(client.states)
        for change in changes:
            async with connected(host, port, token, {**settings, **change}) as other:
                while not other.states or other.states[-1] == "loading":
                    await asyncio.sleep(0.01)
                uri = new_uri()
                other.open(ADD, uri)
                await other.ask(1, 11, uri=uri, invoked=True)
            uri = new_uri()
            client.open(ADD, uri)
            assert await client.ask(1, 11, uri=uri, invoked=True) is not None, change
            assert client.states == states and str(tmp_path / "one") in client.status, change


async def test_clients_on_tcp_read_their_own_log(tmp_path: Path) -> None:
    settings = {"model": str(write_tiny_model(tmp_path)), "threads": 1}
    async with (
        listening() as (host, port, token),
        connected(host, port, token, {**settings, "log_level": "info"}) as client,
    ):
        await client.until("ready")
        await client.logged("is ready")
        client.logs.clear()
        async with connected(host, port, token, {**settings, "log_level": "debug", "nonsense": 1}) as other:
            await other.until("ready")
            for one in (client, other):
                one.open(ADD, new_uri())
                await one.statistics()
            other.open(ADD)
            await other.ask(1, 11, invoked=True)
            await other.logged("invoked version=0")
            await other.logged("nonsense")
        assert client.logs == []
        client.open(ADD)
        await client.ask(1, 11, invoked=True)
        await client.logged("invoked version=0")


async def test_a_client_that_vanishes_takes_its_model_along(tmp_path: Path) -> None:
    settings = {"model": str(write_tiny_model(tmp_path)), "threads": 1, "log_level": "info"}
    async with listening() as (host, port, token):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"Content-Length: 3\r\n\r\n{")
        writer.transport.abort()
        for _ in range(2):
            async with connected(host, port, token, settings) as client:
                await client.logged("is ready")  # loaded anew: nobody used it any more


async def test_an_address_that_cannot_be_listened_at() -> None:
    for address in ("7777", "nowhere.invalid:1", "127.0.0.1:99999"):
        process = await asyncio.create_subprocess_exec(*SERVE, "--tcp", address, stderr=asyncio.subprocess.PIPE)
        _, errors = await process.communicate()
        assert process.returncode
        assert address.encode() in errors and b"Traceback" not in errors


async def test_logs_never_hold_code(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    uri, secret = new_uri(), "Xylophone"
    client.open(f"{secret} = 1\nprint(", uri)
    await client.ask(1, 6, uri=uri)
    client.change_all([types.TextDocumentContentChangeWholeDocument(f"\0{secret}")], uri)
    await client.ask(0, 3, uri=uri)
    client.send(types.TEXT_DOCUMENT_DID_CHANGE, {"textDocument": secret, "contentChanges": [{"text": secret}]})
    client.send(types.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": secret}})
    await client.statistics()
    await client.logged(r"UnknownDocument")
    assert not [line for line in client.logs if secret in line]


async def test_who_leaves_without_a_word_leaves_no_server_behind(tmp_path: Path) -> None:
    async with started(LACUNA_CACHE=str(tmp_path)) as (client, _):
        await client.until("error")
        client.exit(None)
        await client.exited.wait()
        assert client.exit_code == 1
