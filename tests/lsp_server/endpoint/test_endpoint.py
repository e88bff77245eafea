"""`lacuna serve --http` with the embedded model, asked in the shapes that other editors' plugins ask in."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

import pytest
from language_client import PATIENCE, SERVE

from lacuna.engine.api import Gap
from lacuna.engine.families.remote.connection import Address, Connection, RemoteError
from lacuna.engine.families.remote.detection import detect
from lacuna.engine.families.remote.fillers import filler
from lacuna.engine.store import model_store
from lacuna.lsp_server.wire.tcp import TOKEN

BEFORE, LINE, AFTER = "import math\n\n\ndef add(a, b):\n", "    return ", "\n\n\nprint(add(1, 2))\n"
LLAMA_VIM = {
    "id_slot": 0,
    "input_prefix": BEFORE,
    "input_suffix": AFTER,
    "input_extra": [{"text": "def sub(a, b):\n    return a - b\n", "time": [1, 2], "filename": "t.py"}],
    "prompt": LINE,
    "n_predict": 128,
    "stop": [],
    "n_indent": 4,
    "top_k": 40,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "response_fields": ["content", "timings/prompt_n", "timings/predicted_ms", "tokens_cached", "truncated"],
}
QWEN = f"<|fim_prefix|>{BEFORE}{LINE}<|fim_suffix|>{AFTER}<|fim_middle|>"
EXPECTED = "a + b"


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[str, int]]:
    command = [*SERVE, "--http", "127.0.0.1:0", "--model", model_store.EMBEDDED, *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        host, _, port = said.strip().removeprefix("listening on http://").rpartition(":")
        yield host, int(port)
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, int]]:
    with serving("--http-all") as found:
        status, _, read = ask(found, "POST", "/infill", LLAMA_VIM)
        assert status == 503 and b"Loading model" in read, "it is not waited for"
        wait(found)
        yield found


def wait(place: tuple[str, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while ask(place, "GET", "/health")[0] != 200:
        assert time.monotonic() < deadline, "it never got ready"
        time.sleep(0.1)


def ask(
    place: tuple[str, int], method: str, path: str, body: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(*place, timeout=PATIENCE)
    try:
        encoded = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, encoded, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def post(place: tuple[str, int], path: str, body: object) -> Any:
    status, _, read = ask(place, "POST", path, body)
    assert status == 200, read
    return json.loads(read)


def events(place: tuple[str, int], path: str, body: object) -> list[Any]:
    status, headers, read = ask(place, "POST", path, body)
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    found = read.decode().split("\n\n")
    assert found.pop() == "" and all(event.startswith("data: ") for event in found)
    return [event.removeprefix("data: ") for event in found]


def test_infill_as_llama_vim_asks(place: tuple[str, int]) -> None:
    status, _, read = ask(place, "POST", "/infill", LLAMA_VIM)
    assert status == 200
    assert b'"content":"' + EXPECTED.encode() in read, "nothing stands behind the colon: the plugin looks for that"
    assert set(json.loads(read)) == set(LLAMA_VIM["response_fields"])  # type: ignore[call-overload]
    several = post(place, "/infill", {**LLAMA_VIM, "n_cmpl": 3})
    assert isinstance(several, list) and 1 <= len(several) <= 3 and several[0]["content"] == EXPECTED
    content, end = map(json.loads, events(place, "/infill", {**LLAMA_VIM, "stream": True}))
    assert (content["content"], content["stop"], end["content"], end["stop"]) == (EXPECTED, False, "", True)
    assert end["timings"]["predicted_n"] == end["tokens_predicted"] > 0


@pytest.mark.parametrize("body", [{"prompt": BEFORE + LINE, "suffix": AFTER}, {"prompt": QWEN}, {"prompt": [QWEN]}])
def test_completions_by_suffix_and_by_markers(place: tuple[str, int], body: dict[str, Any]) -> None:
    found = post(place, "/v1/completions", {"model": "lacuna", "max_tokens": 64, "logprobs": 1, **body})
    (choice,) = found["choices"]
    assert (choice["text"], choice["finish_reason"], found["object"]) == (EXPECTED, "stop", "text_completion")
    assert {"id", "created", "model"} < set(found) and set(found["usage"]) == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
    }
    assert "".join(choice["logprobs"]["tokens"]) == EXPECTED
    content, usage, end = events(
        place, "/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}
    )
    assert json.loads(content)["choices"][0] | {"logprobs": None} == choice | {"logprobs": None}
    assert json.loads(usage)["choices"] == [] and end == "[DONE]"


def test_fim_completions_as_mistral_asks(place: tuple[str, int]) -> None:
    body = {"model": "codestral", "prompt": BEFORE + LINE, "suffix": AFTER, "max_tokens": 64, "min_tokens": 1}
    (choice,) = post(place, "/v1/fim/completions", body)["choices"]
    assert choice["message"]["content"] == choice["text"] == EXPECTED
    chunk, end = events(place, "/v1/fim/completions", {**body, "stream": True})
    assert json.loads(chunk)["choices"][0]["delta"]["content"] == EXPECTED and end == "[DONE]"


def test_ollama_streams_lines_unless_told_otherwise(place: tuple[str, int]) -> None:
    body = {"model": "lacuna", "prompt": QWEN, "raw": True, "options": {"num_predict": 64, "stop": ["\n\n"]}}
    _, headers, read = ask(place, "POST", "/api/generate", body)
    first, last = map(json.loads, read.decode().splitlines())
    assert headers["Content-Type"] == "application/x-ndjson"
    assert (first["response"], first["done"], last["response"], last["done"]) == (EXPECTED, False, "", True)
    whole = post(place, "/api/generate", {**body, "stream": False})
    assert whole["response"] == EXPECTED and whole["done_reason"] == "stop"
    assert post(place, "/api/generate", {"model": "lacuna", "prompt": "", "stream": False})["done_reason"] == "load"
    assert "insert" in post(place, "/api/show", {"model": "lacuna"})["capabilities"]


def test_tabby_asks_by_segments(place: tuple[str, int]) -> None:
    segments = {"prefix": BEFORE + LINE, "suffix": AFTER, "filepath": "add.py"}
    found = post(place, "/v1/completions", {"language": "python", "segments": segments})
    assert found["choices"][0]["text"] == EXPECTED


def test_stops_and_limits_hold(place: tuple[str, int]) -> None:
    body = {"prompt": BEFORE + LINE, "suffix": AFTER}
    assert post(place, "/v1/completions", {**body, "stop": [" +"]})["choices"][0]["text"] == "a"
    assert post(place, "/v1/completions", {**body, "max_tokens": 0})["choices"][0]["text"] == ""
    assert post(place, "/infill", {**LLAMA_VIM, "n_predict": 0})["content"] == ""


def test_what_the_others_ask_first(place: tuple[str, int]) -> None:
    for path, part in (
        ("/health", '"status":"ok"'),
        ("/props", '"build_info":"lacuna-'),
        ("/v1/models", '"owned_by":"lacuna"'),
        ("/api/tags", '"lacuna:latest"'),
        ("/api/version", '"version"'),
    ):
        status, _, read = ask(place, "GET", path)
        assert status == 200 and part in read.decode()


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/completions", b"{", 400, "no JSON"),
        ("/v1/completions", b"[" * 100_000, 400, "no JSON"),
        ("/v1/completions", [1], 400, "no JSON object"),
        ("/v1/completions", {"prompt": [1, 2, 3]}, 400, "token ids"),
        ("/infill", {"input_prefix": 1}, 400, "is a text"),
        ("/v1/completions", b'"' + b"x" * 4_100_000 + b'"', 413, "more than"),
        ("/v1/embeddings", {}, 404, "Not Found"),
    ],
)
def test_bad_requests_say_why(place: tuple[str, int], path: str, body: object, status: int, message: str) -> None:
    found, _, read = ask(place, "POST", path, body)
    assert found == status and message in json.loads(read)["error"]["message"]
    assert json.loads(read)["error"]["code"] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8012"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_pages_of_a_browser_are_turned_away(place: tuple[str, int], headers: dict[str, str]) -> None:
    status, _, read = ask(place, "POST", "/infill", LLAMA_VIM, **headers)
    assert status == 403 and EXPECTED not in read.decode()
    assert ask(place, "GET", "/health", **headers)[0] == 403


def test_an_empty_key_passes_where_none_is_asked_for(place: tuple[str, int]) -> None:
    assert ask(place, "POST", "/infill", LLAMA_VIM, Authorization="Bearer ")[0] == 200
    assert ask(place, "GET", "/health", Host="localhost")[0] == 200
    assert ask(place, "GET", "/health", Host="[::1]:8012")[0] == 200


def test_clients_that_leave_and_those_that_say_nothing_keep_nobody_out(place: tuple[str, int]) -> None:
    body = json.dumps({"prompt": BEFORE, "suffix": AFTER, "max_tokens": 256, "n": 6}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for part in (head + body, head + body[:20], head[:10]):
        with socket.create_connection(place) as leaving:
            leaving.sendall(part)
    assert post(place, "/infill", LLAMA_VIM)["content"] == EXPECTED
    with (
        socket.create_connection(place, timeout=PATIENCE) as silent,
        socket.create_connection(place, timeout=PATIENCE) as half,
        socket.create_connection(place, timeout=PATIENCE) as second,
    ):
        half.sendall(head + body[:20])
        second.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read = b""
        while not read.endswith(b'"ok"}'):
            read += second.recv(1000)
        second.sendall(head[:10])
        for one in (silent, half, second):
            with suppress(ConnectionResetError):
                assert one.recv(1) == b"", "it is turned away"


def test_what_is_not_sure_is_empty_unless_all_is_wanted_however_many_are() -> None:
    body = {**LLAMA_VIM, "input_prefix": "q", "prompt": "", "input_suffix": "\n"}
    with serving() as place:
        wait(place)
        assert post(place, "/infill", LLAMA_VIM)["content"] == EXPECTED
        assert post(place, "/infill", body)["content"] == ""
        assert [one["content"] for one in post(place, "/infill", {**body, "n_cmpl": 3})] == [""]


def test_a_fill_that_has_no_room_says_so(place: tuple[str, int]) -> None:
    body = {"prompt": BEFORE, "suffix": AFTER, "max_tokens": 2}
    (choice,) = post(place, "/v1/completions", body)["choices"]
    assert choice["finish_reason"] == ("length" if choice["text"] else "stop")
    assert post(place, "/api/generate", {"model": "x", "stream": False})["done_reason"] == "load"


def test_other_files_names_are_not_the_gaps(place: tuple[str, int]) -> None:
    extra = [{"text": "KEY=1\n", "filename": ".env"}, {"text": "x\n", "filename": "\ud800.py"}]
    assert post(place, "/infill", {**LLAMA_VIM, "input_extra": extra})["content"] == EXPECTED


def test_another_lacuna_is_told_and_asked(place: tuple[str, int]) -> None:
    connection = Connection(Address("http://{}:{}".format(*place)))
    one = filler(connection, detect(connection))
    assert one.server.kind == "Lacuna"
    assert one.infill(Gap(BEFORE + LINE, AFTER, "python"), stop=Event())[0].text == EXPECTED


def test_a_token_is_asked_for_where_one_is_set() -> None:
    with serving(**{TOKEN: "t-123"}) as place:
        assert ask(place, "GET", "/health")[0] == 401
        assert ask(place, "GET", "/health", Authorization="Bearer no")[0] == 401
        assert ask(place, "GET", "/health", Authorization="Bearer t-123")[0] in (200, 503)
        assert ask(place, "GET", "/health", x_api_key="t-123")[0] in (200, 503)
        connection = Connection(Address("http://{}:{}".format(*place), "wrong"))
        with pytest.raises(RemoteError, match="key"):
            detect(connection)


def test_an_address_that_others_reach_is_refused_unless_it_is_meant() -> None:
    command = [*SERVE, "--http", "0.0.0.0:0", "--model", model_store.EMBEDDED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2 and "--allow-remote" in done.stderr
