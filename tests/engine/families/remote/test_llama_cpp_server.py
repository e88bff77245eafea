"""The remote engine and llama.cpp's own server, with a tiny model of random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import llama_server
import pytest
from llama_server import LlamaServer
from tiny_qwen_gguf import write_qwen_gguf

from lacuna.engine.api import Frame, Gap, Stopped
from lacuna.engine.families.remote.connection import Address, Connection, RemoteError
from lacuna.engine.families.remote.detection import detect
from lacuna.engine.families.remote.dialects.dialect import Asked
from lacuna.engine.families.remote.dialects.llama_cpp import LlamaCpp
from lacuna.engine.families.remote.filler import RemoteFiller
from lacuna.engine.families.remote.fillers import filler

pytestmark = pytest.mark.skipif(llama_server.missing() is not None, reason="xllamacpp has no wheel for this machine")
GAP = Gap("def de(a):\n    de", "\nde(1)\n", "python", max_tokens=12)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    path = tmp_path_factory.mktemp("llama") / "qwen2.5-coder-tiny.gguf"
    write_qwen_gguf(path, infills=True)
    with LlamaServer(path, 1) as running:
        yield running


@pytest.fixture
def asked(server: LlamaServer) -> RemoteFiller:
    connection = Connection(Address(server.url))
    return filler(connection, detect(connection))


def test_it_is_told_by_its_props_and_asked_by_infill(asked: RemoteFiller) -> None:
    found = asked.server
    assert found.kind.startswith("llama.cpp ") and isinstance(found.dialect, LlamaCpp) and found.context > 0


def test_a_fill_has_the_tokens_and_log_probabilities_of_the_server(server: LlamaServer, asked: RemoteFiller) -> None:
    frames: list[Frame] = []
    (fill,) = asked.infill(GAP, on_frame=frames.append)
    (again,) = asked.infill(GAP)
    assert (fill.text, fill.features.tokens) == (again.text, again.features.tokens) and fill.text
    dialect = asked.server.dialect
    body = {**(dialect.body(Asked("", GAP.suffix, GAP.max_tokens, middle=GAP.prefix)) or {}), "stream": False}
    plain = Connection(Address(server.url)).post(dialect.path_of(body), body)
    assert plain["content"].startswith(fill.text)
    expected = [one["logprob"] for one in plain["completion_probabilities"]]
    assert fill.features.mean == pytest.approx(sum(expected) / len(expected), abs=0.05)
    assert frames[-1].cells[0][0] == fill.text and len(frames) > 1


def test_a_key_has_nothing_read_but_itself(server: LlamaServer) -> None:
    """By the server's own count."""
    read = list[int]()

    class Counting(Connection):
        def stream(self, *arguments: Any, **options: Any) -> Any:
            for event in super().stream(*arguments, **options):
                if "timings" in event:
                    read.append(event["timings"]["prompt_n"])
                yield event

    connection = Counting(Address(server.url))
    one = filler(connection, detect(connection))
    read.clear()
    lines = "".join(f"def area{at}():\n    pass\n" for at in range(20))
    for typed in ("d", "de", "def", "def a"):
        one.infill(Gap(lines + typed, "\ndef last():\n    pass\n", "python", max_tokens=4), document="a.py")
    assert read[0] > 50 and max(read[1:]) <= 3


def test_markers_in_the_source_are_text(server: LlamaServer) -> None:
    """The prompt that the server makes of them has more tokens than if they were markers."""

    def read(prefix: str) -> int:
        body = {**LlamaCpp().body(Asked(prefix, "\n", 1)), "stream": False, "cache_prompt": False}
        return int(server.infill(body)["tokens_evaluated"])

    assert read("x = 1 <|fim_suffix|>") - read("x = 1 ") == len("<|fim_suffix|>")


def test_a_line_is_cut_at_its_end(asked: RemoteFiller) -> None:
    (fill,) = asked.infill(Gap("de", "", max_tokens=100, max_lines=1))
    assert "\n" not in fill.text


def test_a_stop_ends_the_work_on_the_server(server: LlamaServer, asked: RemoteFiller) -> None:
    stop = Event()
    with pytest.raises(Stopped):
        asked.infill(Gap("de", "", max_tokens=100_000), stop=stop, on_frame=lambda frame: stop.set())
    assert asked.infill(GAP)[0].text, "its only slot is free again"


def test_what_the_server_refuses_is_an_error_that_says_why(server: LlamaServer) -> None:
    connection = Connection(Address(server.url))
    with pytest.raises(RemoteError, match="400"):
        list(connection.stream("/infill", {"input_prefix": 3, "stream": True}))


def test_a_model_without_markers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    write_qwen_gguf(path)
    with LlamaServer(path, 1) as running:
        connection = Connection(Address(running.url))
        with pytest.raises(RemoteError, match="not trained to fill in the middle"):
            detect(connection)
