"""The language server in front of a server that fills: from its address to a suggestion, and when it goes away."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from language_client import Client, started
from recorded_server import Recorded, RecordedServer

from lacuna.engine.families.remote.connection import Address
from lacuna.engine.families.remote.detection import Server
from lacuna.engine.families.remote.dialects.llama_cpp import LlamaCpp
from lacuna.lsp_server.config import ServerChoice, from_client
from lacuna.lsp_server.model import engine_server, loading
from lacuna.lsp_server.model.loading import ModelError

CODE = "def add(a, b):\n    return \n"


def events(*texts: str) -> tuple[str, ...]:
    pieces = [{"content": text, "stop": False, "completion_probabilities": [{"logprob": -0.01}]} for text in texts]
    return tuple(f"data: {json.dumps(one)}\n" for one in (*pieces, {"content": "", "stop": True, "stop_type": "eos"}))


ANSWERS: Mapping[str, Recorded] = {
    "/v1/models": Recorded({"data": [{"id": "tiny-coder", "owned_by": "llamacpp"}]}),
    "/props": Recorded(
        {"default_generation_settings": {"n_ctx": 4096}, "model_alias": "tiny-coder", "build_info": "b1"}
    ),
    "/infill": Recorded(lines=events("a", " +", " b")),
}


async def filled(client: Client) -> list[str]:
    items = await client.ask(1, 11)
    return [str(item.insert_text) for item in items or ()]


async def test_the_server_fills_and_no_torch_is_loaded() -> None:
    with RecordedServer(ANSWERS).running() as server:
        async with started({"engineUrl": server.url}) as (client, _):
            await client.until("ready")
            assert client.status == f"tiny-coder: llama.cpp b1 at {server.url}, asked by llama.cpp"
            client.open(CODE)
            (text,) = await filled(client)
            assert text.endswith("a + b")
            body = server.bodies("/infill")[-1]
            assert body["input_prefix"] == "def add(a, b):\n    return " and body["stop"] == ["\n"]
            if sys.platform == "linux":
                served = [one for one in psutil.Process().children(recursive=True) if "serve" in one.cmdline()]
                maps = "".join(Path(f"/proc/{one.pid}/maps").read_text(encoding="utf-8") for one in served)
                assert served and "libtorch" not in maps


async def test_a_server_that_goes_away_is_told_of_quietly_and_used_again() -> None:
    with RecordedServer(ANSWERS).running() as server:
        async with started({"engineUrl": server.url}) as (client, _):
            await client.until("ready")
            client.open(CODE)
            server.answers["/infill"] = Recorded({"error": {"message": "shutting down"}}, status=503)
            assert not await filled(client)
            await client.until("error")
            assert "answers 503" in client.status
            assert not any("shutting down" in line for line in client.logs), "a server's words may quote the document"
            server.answers["/infill"] = ANSWERS["/infill"]
            async with asyncio.timeout(30):
                while not await filled(client):
                    await asyncio.sleep(0.1)
            await client.until("ready")
            assert client.messages == [], "no window opens"


async def test_an_address_where_nobody_answers_is_an_error_of_the_status() -> None:
    with RecordedServer({}).running() as server:
        url = server.url
    async with started({"engineUrl": url}) as (client, _):
        await client.until("error")
        assert url in client.status and "is the server running" in client.status
        assert client.messages == []


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("127.0.0.1:8012", "", "is no address"),
        ("http://me:secret@host", "", "an address alone"),
        ("http://127.0.0.1:1", "sk-very-secret", "a key itself stands in no setting"),
        ("http://127.0.0.1:1", "env:LACUNA_NO_SUCH_KEY", "LACUNA_NO_SUCH_KEY"),
        ("http://127.0.0.1:1", "env:sk-secret", "a key itself stands in no setting"),
        ("http://127.0.0.1:1", "keyring:lacuna-no-such", "keyring"),
    ],
)
def test_settings_that_are_wrong_say_what_to_do(url: str, key: str, message: str) -> None:
    config, problems = from_client({"engineUrl": url, "engineKey": key})
    assert not problems
    with pytest.raises(ModelError, match=message) as error:
        loading.load(config.model_choice)
    assert "secret" not in str(error.value)


def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_TEST_KEY", "k-123")
    with RecordedServer(ANSWERS).running() as server:
        engine_server.found(ServerChoice(server.url, key="env:LACUNA_TEST_KEY"))
        assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer k-123"}


@pytest.mark.parametrize("value", ["sk-very-secret\n", "  sk-very-secret "])
def test_what_stands_around_a_key_is_left_out(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LACUNA_TEST_KEY", value)
    assert engine_server.key("env:LACUNA_TEST_KEY") == "sk-very-secret"


@pytest.mark.parametrize("value", ["sk-very\nsecret", "sk-very-secr\u00e9t", "sk\x00secret"])
def test_what_cannot_be_a_key_is_refused_without_a_word_of_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(engine_server, "_read", lambda named, environment: value)
    with pytest.raises(ValueError, match="is it whole") as error:
        engine_server.key("env:ANY")
    assert "sk" not in str(error.value)


def test_where_text_leaves_the_machine_the_status_says_so() -> None:
    server = Server("llama.cpp", LlamaCpp())
    assert "sent" not in engine_server.in_words(server, Address("http://127.0.0.1:1"))
    assert "are sent to example.com, unencrypted" in engine_server.in_words(server, Address("http://example.com"))
    assert engine_server.in_words(server, Address("https://example.com")).endswith("are sent to example.com")
