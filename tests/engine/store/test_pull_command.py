"""Pulling a model while the server runs, over stdio: from a real server of files, with progress, until it is ready."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from filelock import FileLock
from hub_server import HubServer, serve
from language_client import Client, connected, listening, started
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from tiny_model import write_tiny_model

from lacuna.engine.store import model_store, paths
from lacuna.engine.store.progress import Stage
from lacuna.engine.store.pull_error import PullStopped
from lacuna.lsp_server.model.auto import AUTO, CANDIDATE_NAMES
from lacuna.lsp_server.model.pull_progress import PullProgress
from lacuna.lsp_server.pulls import NOT_NOW, PULL

NAME = "somebody/tiny"
SETTINGS = {"model": NAME, "threads": 1, "dtype": "float32"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HubServer]:
    """A hub with a model that can be loaded."""
    model = write_tiny_model(tmp_path / "model")
    with serve(NAME) as running:
        running.files |= {file.name: file.read_bytes() for file in model.iterdir()}
        yield running


def environment(server: HubServer, tmp_path: Path) -> dict[str, str]:
    offline = {"HF_HUB_OFFLINE": "0"}
    return {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "LACUNA_CACHE": str(tmp_path), **offline}


async def test_a_pulled_model_loads_by_itself(server: HubServer, tmp_path: Path) -> None:
    async with started(SETTINGS, shows_progress=True, **environment(server, tmp_path)) as (client, _):
        await client.until("error")
        assert f"run `lacuna pull {NAME}`" in client.status
        client.states.clear()
        answer = await client.command("pull", NAME)
        place = tmp_path / "models" / "somebody--tiny"
        assert answer == {"model": NAME, "directory": str(place)}
        assert (place / "model.safetensors").is_file()
        await client.until("ready")
        assert client.states[0] == "loading"
        check_progress(client.progress)


def check_progress(values: list[Any]) -> None:
    begin, *reports, end = values
    assert (begin["kind"], begin["percentage"], end["kind"]) == ("begin", 0, "end")
    assert NAME in begin["title"]
    assert {report["kind"] for report in reports} == {"report"}
    percentages = [report["percentage"] for report in reports]
    assert percentages == sorted(percentages) and percentages[-1] == 100
    assert {report["message"].split()[0] for report in reports} == {"Fetching", "Checking"}


async def test_without_an_argument_it_is_the_model_of_the_settings(server: HubServer, tmp_path: Path) -> None:
    async with started(SETTINGS, **environment(server, tmp_path)) as (client, _):
        await client.until("error")
        client.states.clear()
        assert (await client.command("pull"))["model"] == NAME
        await client.until("ready")
        assert client.progress == [], "the client shows none"
        assert [line for line in client.logs if line.startswith(f"pulling {NAME}: ")]
        client.states.clear()
        assert (await client.command("pull", None))["model"] == NAME, "it is there already"
        await client.statistics()
        assert client.states == [], "and stays loaded"


@pytest.mark.parametrize(
    ("model", "message"),
    [("nobody/nothing", "nobody/nothing could not be fetched"), ("no name at all", "is no model name: use")],
)
async def test_what_cannot_be_pulled(server: HubServer, tmp_path: Path, model: str, message: str) -> None:
    async with started(SETTINGS, shows_progress=True, **environment(server, tmp_path)) as (client, _):
        await client.until("error")
        with pytest.raises(JsonRpcException, match=message):
            await client.command("pull", model)
        assert client.progress[-1]["kind"] == "end"
        assert client.states[-1] == "error"


async def test_the_server_answers_while_it_pulls(server: HubServer, tmp_path: Path) -> None:
    async with started(SETTINGS, **environment(server, tmp_path)) as (client, _):
        await client.until("error")
        pulling = asyncio.create_task(client.command("pull"))
        while not server.downloads:
            await client.statistics()
        await pulling


async def test_a_missing_model_is_offered_and_pulled_by_one_answer(server: HubServer, tmp_path: Path) -> None:
    surroundings = environment(server, tmp_path)
    async with started(SETTINGS, shows_progress=True, answer=PULL, **surroundings) as (client, _):
        await client.until("error")
        client.states.clear()
        await client.until("ready")
        assert client.questions == [f"Lacuna: the model {NAME} is not on this machine yet. Pull it?"]
        assert client.messages == [], "what the question says is not said again"
        check_progress(client.progress)


async def test_nothing_is_fetched_without_a_yes_and_it_is_asked_once(server: HubServer, tmp_path: Path) -> None:
    async with started(SETTINGS, answer=NOT_NOW, **environment(server, tmp_path)) as (client, _):
        await client.logged(f"{NAME} was not pulled: run `lacuna pull {NAME}`")
        client.configure({"model": NAME, "threads": 2})
        client.configure({"model": NAME, "threads": 1})
        await client.statistics()
        await client.until("error")
        assert len(client.questions) == 1
        assert f"run `lacuna pull {NAME}`" in client.status
        client.configure({"model": str(tmp_path / "nowhere")})
        while not client.messages:
            await client.statistics()
        assert len(client.questions) == 1 and "there is no model directory" in client.messages[0]
    assert not server.downloads and not (tmp_path / "models").exists()


async def test_where_a_pull_would_not_help_it_is_not_offered(server: HubServer, tmp_path: Path) -> None:
    """What else is wrong is said first; the model is offered once that is mended."""
    wrong = {"model": NAME, "device": "cuda"}
    surroundings = environment(server, tmp_path) | {"CUDA_VISIBLE_DEVICES": ""}
    async with started(wrong, answer=NOT_NOW, **surroundings) as (client, _):
        await until(lambda: bool(client.messages))
        assert client.questions == [] and "device 'cuda' is not available" in client.messages[0]
        client.configure({**SETTINGS, "device": "cpu"})
        await until(lambda: bool(client.questions))


async def test_an_offered_pull_that_fails_is_an_error_that_says_why(tmp_path: Path, server: HubServer) -> None:
    nothing = {**SETTINGS, "model": "nobody/nothing"}
    async with started(nothing, answer=PULL, **environment(server, tmp_path)) as (client, _):
        await client.until("error")
        while not client.messages:
            await client.statistics()
        assert "nobody/nothing could not be fetched" in client.messages[0]
        assert client.states[-1] == "error"


async def models(client: Client) -> dict[str, dict[str, Any]]:
    return {option["name"]: option for option in await client.command("models")}


async def test_models_that_can_be_chosen(server: HubServer, tmp_path: Path) -> None:
    own = write_tiny_model(tmp_path / "own")
    async with started({**SETTINGS, "model": str(own)}, **environment(server, tmp_path)) as (client, _):
        await client.until("ready")
        found = await models(client)
        assert list(found)[:4] == [AUTO, *CANDIDATE_NAMES]
        assert not found[AUTO]["pulled"], "none of those that it stands for"
        assert (found[model_store.EMBEDDED]["pulled"], found[model_store.EMBEDDED]["directory"]) == (False, None)
        assert (found[str(own)]["pulled"], found[str(own)]["directory"]) == (True, str(own))
        assert NAME not in found
        assert all(option["note"] for option in found.values())
        await client.command("pull", NAME)
        place = tmp_path / "models" / "somebody--tiny"
        assert (await models(client))[NAME]["directory"] == str(place)
        (place / "model.safetensors").write_bytes(b"")
        damaged = (await models(client))[NAME]
        assert not damaged["pulled"] and "is damaged" in damaged["note"]


@pytest.mark.parametrize("name", ["owner/name", "owner/name@main", "o/n-m.1@refs/pr/3"])
def test_names_of_what_is_stored(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    place = paths.models() / name.replace("/", "--")
    place.mkdir(parents=True)
    (place / model_store.MANIFEST).write_text("{}", encoding="utf-8")
    assert model_store.stored() == {name: place}


async def test_a_cancelled_pull_ends_its_download(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:  # it takes connections, and says nothing
        address = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        environment = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "LACUNA_CACHE": str(tmp_path)}
        async with started({"model": str(tmp_path / "none")}, **environment) as (client, _):
            call = types.ExecuteCommandParams("lacuna.pull", [NAME])
            pulled = client.protocol.send_request_async("workspace/executeCommand", call, msg_id="pull")
            pulled = asyncio.ensure_future(pulled)
            await until(lambda: len(children(client)) == 1)
            client.cancel_request(types.CancelParams("pull"))
            await until(lambda: not children(client))
            with pytest.raises(JsonRpcException):
                await asyncio.wait_for(pulled, 60)


async def test_an_offered_pull_is_cancelled_by_its_progress(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        address = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        environment = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "LACUNA_CACHE": str(tmp_path)}
        async with started(SETTINGS, shows_progress=True, answer=PULL, **environment) as (client, _):
            await until(lambda: bool(client.progress) and len(children(client)) == 1)
            cancelled = types.WorkDoneProgressCancelParams("lacuna.pull/1")
            client.protocol.notify(types.WINDOW_WORK_DONE_PROGRESS_CANCEL, cancelled)
            await client.logged("the pull was stopped")
            assert client.progress[-1]["kind"] == "end" and not children(client)
            assert client.messages == [], "who cancels knows it"


async def test_who_leaves_while_a_command_is_at_work_ends_the_server_as_always(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        address = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        environment = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "LACUNA_CACHE": str(tmp_path)}
        async with started({"model": str(tmp_path / "none")}, **environment) as (client, _):
            pulled = asyncio.ensure_future(client.command("pull", NAME))
            await until(lambda: len(children(client)) == 1)
        with pytest.raises(JsonRpcException):
            await pulled
        assert client.exit_code == 0


async def test_what_a_client_pulls_ends_with_it(tmp_path: Path) -> None:
    """Every pull: what it has asked for, and both models that it was offered one after the other."""
    environment = {"HF_HUB_OFFLINE": "0", "LACUNA_CACHE": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        environment["HF_ENDPOINT"] = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        async with listening(**environment) as address:
            async with connected(*address, SETTINGS, answer=PULL) as client:
                await until(lambda: len(downloads()) == 1)
                client.configure({**SETTINGS, "model": "somebody/other"})
                await until(lambda: len(downloads()) == 2)
                call = types.ExecuteCommandParams("lacuna.pull", ["somebody/third"])
                asked = asyncio.ensure_future(client.protocol.send_request_async("workspace/executeCommand", call))
                await until(lambda: len(downloads()) == 3)
            await until(lambda: not downloads())
            asked.cancel()


def downloads() -> list[psutil.Process]:
    """Processes that servers of ours have started."""
    servers = psutil.Process().children()
    return [child for server in servers for child in server.children() if not is_watchdog(child)]


async def test_a_client_that_takes_no_questions_after_all_is_told_what_to_do(server: HubServer, tmp_path: Path) -> None:
    """Nor progress, which is logged then."""
    async with started(SETTINGS, refuses=True, **environment(server, tmp_path)) as (client, _):
        await until(lambda: bool(client.messages))
        assert client.messages == [f"Lacuna: the model {NAME} is not on this machine: run `lacuna pull {NAME}`"]
        assert (await client.command("pull"))["model"] == NAME
        assert client.progress == []
        await client.logged(f"^pulling {NAME}: ")


async def test_a_pull_that_was_cancelled_by_its_progress_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        address = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        environment = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "LACUNA_CACHE": str(tmp_path)}
        nothing = {"model": str(tmp_path / "none")}
        async with started(nothing, shows_progress=True, **environment) as (client, _):
            pulled = asyncio.ensure_future(client.command("pull", NAME))
            await until(lambda: bool(client.progress))
            cancelled = types.WorkDoneProgressCancelParams("lacuna.pull/1")
            client.protocol.notify(types.WINDOW_WORK_DONE_PROGRESS_CANCEL, cancelled)
            with pytest.raises(JsonRpcException) as stopped:
                await asyncio.wait_for(pulled, 60)
            assert stopped.value.code == types.LSPErrorCodes.RequestCancelled


async def test_a_pull_that_waits_for_another_one_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    paths.models().mkdir()
    stages, stop = list[Stage](), Event()
    with FileLock(paths.models() / ".somebody--tiny.lock"):  # as another pull of it has
        pulling = asyncio.to_thread(model_store.pull, NAME, lambda stage, *_: stages.append(stage), stop)
        pulled = asyncio.ensure_future(pulling)
        await until(lambda: stages == [Stage.WAITING])
        stop.set()
        with pytest.raises(PullStopped):
            await asyncio.wait_for(pulled, 60)


def children(client: Client) -> list[psutil.Process]:
    """The processes that a server has started, without its watchdog, which is there from the first moment."""
    assert client._server is not None
    found = psutil.Process(client._server.pid).children()
    return [child for child in found if not is_watchdog(child)]


def is_watchdog(process: psutil.Process) -> bool:
    return any(word.endswith("watchdog.py") for word in process.cmdline())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.05)


async def test_progress_never_falls_and_is_told_when_it_changes() -> None:
    told: list[tuple[int, str]] = []
    progress = PullProgress(lambda percentage, message: told.append((percentage, message)))
    for stage, total in ((Stage.WAITING, 0), (Stage.FETCHING, 1_000_000), (Stage.CONVERTING, 7), (Stage.CHECKING, 3)):
        for done in range(0, total + 1, max(1, total // 500)):
            for _ in range(2):
                progress(stage, done, total)
    await asyncio.sleep(0.05)
    assert len(told) == len(set(told)) <= 110
    assert [percentage for percentage, _ in told] == sorted(percentage for percentage, _ in told)
    assert told[-1][0] == 100
