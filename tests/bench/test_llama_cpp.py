"""The bench beside llama.cpp: what is cut, asked and counted, and what its command says where something is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llama_cpp
import pytest
import tiny_diffusion_gemma
from held_out import HeldOut
from llama_plugin import Plugin, Settings, request
from llama_server import LlamaServer, PeerFailed, missing
from safetensors.torch import load_file, save_file
from tiny_qwen_gguf import write_qwen_gguf
from typed_place import PER_FILE, Key, Place, chunks, cut, summary

from lacuna.engine.models.decoder import FINAL_NORM
from lacuna.engine.store import gguf
from lacuna.engine.store.progress import silent

TEXT = "import os\n\n\ndef scale(values):\n    total = sum(values)\n    return total\n"
FILE = HeldOut("scale.py", "python", TEXT)
PLACE = Place(FILE, "import os\n\n\ndef scale(values):\n    total = s", "um(values)", "\n    return total\n")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, llama_cpp.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def key(shown: str, wanted: str, **others: Any) -> Key:
    return Key(**({"milliseconds": 1.0, "is_first": False, "is_recalled": False} | others), shown=shown, wanted=wanted)


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip(), "x = 1", "héllo = '😀 ok'\n"])
def test_a_place_and_what_was_removed_are_the_file(text: str) -> None:
    places = [place for seed in range(20) for place in cut(HeldOut("a.py", "python", text), seed)]
    assert places
    for place in places:
        assert place.before + place.removed + place.after == text
        assert len(place.removed) >= 2
        assert "\n" not in place.removed
        assert not place.removed[0].isspace() or place.before.rpartition("\n")[2].strip()


def test_places_are_those_of_the_seed() -> None:
    assert cut(FILE, 1) == cut(FILE, 1)
    assert len({place.before for seed in range(20) for place in cut(FILE, seed)}) > PER_FILE


@pytest.mark.parametrize("text", ["", "\n  \n}\n)\n", "x = 1  \n", "x" * 201, "x = 1\r\ny = 2\r\n"])
def test_no_place_where_nobody_types(text: str) -> None:
    """Blank lines, single signs, white space at the end, data, and line ends that a key does not make."""
    assert cut(HeldOut("a.py", "python", text), 0) == []


def test_something_is_always_left_to_suggest() -> None:
    assert list(PLACE.typed(3)) == ["u", "um", "um("]
    assert list(PLACE.typed(100))[-1] == "um(values"


@pytest.mark.parametrize(
    ("shown", "is_shown", "is_exact", "agrees"),
    [
        ("values)", True, True, True),
        ("values)  ", True, True, True),
        ("values)\n    return total", True, True, True),
        ("values", True, False, True),
        ("values, 0)", True, False, False),
        ("\n    return total", True, False, False),
        (" ", False, False, False),
        ("", False, False, False),
    ],
)
def test_judged_by_the_line(shown: str, is_shown: bool, is_exact: bool, agrees: bool) -> None:
    found = key(shown, "values)")
    assert (found.is_shown, found.is_exact, found.agrees) == (is_shown, is_exact, agrees)


def test_summary() -> None:
    keys = [
        key("ab", "ab", milliseconds=100.0, is_first=True),
        key("b", "b", milliseconds=2.0, is_recalled=True),
        key("a", "ab", milliseconds=30.0),
        key("", "b", milliseconds=40.0),
    ]
    figures = summary(keys)
    assert (figures["keys"], figures["recalled"], figures["shown"], figures["exact"]) == (4, 0.25, 0.75, 0.5)
    assert (figures["right_of_shown"], figures["agrees_of_shown"]) == (2 / 3, 1.0)
    assert (figures["cold_p50_ms"], figures["cold_p90_ms"]) == (100.0, 100.0)
    assert (figures["warm_p50_ms"], figures["warm_asked_p50_ms"]) == (30.0, 30.0)


def test_a_summary_leaves_out_what_there_is_none_of() -> None:
    assert summary([]) == {"keys": 0}
    assert summary([key("", "ab", is_first=True)]).keys() == {
        "keys", "cold_p50_ms", "cold_p90_ms", "recalled", "shown", "exact",
    }  # fmt: skip


def test_turns_have_every_place_once_in_order() -> None:
    places = cut(FILE, 0)
    assert [len(chunk) for chunk in chunks(places, 2)] == [2, 2]
    assert [place for chunk in chunks(places, 2) for place in chunk] == places


def test_a_request_is_what_the_plugins_send() -> None:
    sent = request(PLACE, "um", Settings(lines_before=2, lines_after=1))
    assert (sent["input_prefix"], sent["prompt"]) == ("\ndef scale(values):\n", "    total = sum")
    assert (sent["input_suffix"], sent["n_indent"], sent["stop"]) == ("\n    return total\n", 4, ["\n"])
    assert (sent["top_k"], sent["temperature"], sent["cache_prompt"]) == (1, 0.0, True)
    whole = request(PLACE, "um", Settings(samplers="plugin"))
    assert whole["input_prefix"] + whole["prompt"] == PLACE.before + "um"
    assert whole["samplers"] == ["top_k", "top_p", "infill"]


class Answers:
    """Gives the answers of a list one by one, and keeps what was asked."""

    def __init__(self, *contents: str) -> None:
        self._contents, self.prompts = list(contents), list[str]()

    def __call__(self, request: dict[str, Any]) -> Mapping[str, Any]:
        self.prompts.append(request["prompt"])
        return {"content": self._contents.pop(0)}


def test_an_answer_is_recalled_while_it_is_typed_along() -> None:
    answers = Answers("m(v", "lues)", "es)")
    plugin = Plugin(PLACE, Settings(), answers)
    shown = [plugin.suggest(typed) for typed in ("u", "um", "um(", "um(v", "um(va", "um(va")]
    assert shown[:3] == [("m(v", False), ("(v", True), ("v", True)]
    assert shown[3:] == [("lues)", False), ("es)", False), ("es)", True)], "typed to its end, and typed otherwise"
    assert answers.prompts == ["    total = su", "    total = sum(v", "    total = sum(va"]


@pytest.mark.parametrize("content", ["", "  ", "rn total"])
def test_nothing_is_shown_of_what_is_empty_or_stands_below(content: str) -> None:
    place = Place(FILE, "def scale(values):\n    r", "aise", "\n\n    return total\n")
    answers = Answers(content, content)
    plugin = Plugin(place, Settings(), answers)
    typed = "etu" if content.strip() else "a"
    assert [plugin.suggest(typed), plugin.suggest(typed)] == [("", False), ("", False)]
    assert len(answers.prompts) == 2, "nor is it remembered"


async def test_lacuna_is_typed_into_through_its_server(tmp_path: Path) -> None:
    lacuna = llama_cpp.Lacuna(tmp_path)
    try:
        await lacuna.start({"model": str(tiny_diffusion_gemma.write(tmp_path / "model")), "threads": 1})
        keys = await lacuna.type(PLACE, 3) + await lacuna.type(PLACE, 2)
        assert lacuna.resident_mb > 100
    finally:
        await lacuna.stop()
    assert [found.wanted for found in keys] == ["m(values)", "(values)", "values)", "m(values)", "(values)"]
    assert [found.is_first for found in keys] == [True, False, False, True, False]
    assert all(found.milliseconds > 0 for found in keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A GGUF file with random weights, and the model directory that is made of it."""
    folder = tmp_path_factory.mktemp("made")
    write_qwen_gguf(folder / "model.gguf")
    (folder / "model").mkdir()
    gguf.convert(folder / "model.gguf", folder / "model", silent)
    return folder / "model.gguf", folder / "model"


@pytest.fixture(scope="module")
def other(made: tuple[Path, Path]) -> Path:
    """The directory of a model that differs a little."""
    directory = made[1].with_name("other")
    shutil.copytree(made[1], directory)
    tensors = load_file(directory / "model.safetensors")
    tensors[FINAL_NORM] = tensors[FINAL_NORM] * 1.02
    save_file(tensors, directory / "model.safetensors")
    return directory


def test_a_file_and_the_model_that_was_made_of_it(made: tuple[Path, Path], other: Path) -> None:
    assert llama_cpp.same_weights(*made)
    assert not llama_cpp.same_weights(made[0], other)


def test_what_is_wrong_is_told(tmp_path: Path, made: tuple[Path, Path], other: Path) -> None:
    no_gguf = tmp_path / "text.gguf"
    no_gguf.write_text("no model", encoding="utf-8")
    file, directory = made
    for arguments, said in [
        ((), "--gguf"),
        (("--gguf", tmp_path / "none"), "there is no GGUF file"),
        (("--gguf", no_gguf, "--model", directory), "is no GGUF file"),
        (("--gguf", file, "--model", tmp_path), "not a model directory"),
        (("--gguf", file, "--model", other), "does not hold the weights"),
        (("--gguf", file, "--model", directory, "--keys", 0), "--keys"),
    ]:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert said in done.stderr, arguments


@pytest.mark.skipif(missing() is None, reason="xllamacpp is installed here")
def test_how_to_get_the_peer(made: tuple[Path, Path]) -> None:
    done = run("--gguf", made[0], "--model", made[1])
    assert done.returncode == 2
    assert "pip install xllamacpp==" in done.stderr


def test_without_a_corpus_nothing_is_started(tmp_path: Path, made: tuple[Path, Path]) -> None:
    arguments = ("--llama-server", sys.executable, "--corpus", tmp_path / "none.jsonl")
    done = run("--gguf", made[0], "--model", made[1], *arguments)
    assert done.returncode == 1
    assert "lacuna corpus build" in done.stderr


def test_a_peer_that_does_not_start(tmp_path: Path) -> None:
    """Whether the package is there or not: what it is given is no model."""
    no_gguf = tmp_path / "text.gguf"
    no_gguf.write_text("no model", encoding="utf-8")
    with pytest.raises(PeerFailed, match="does not serve"):
        LlamaServer(no_gguf, 1)
    with pytest.raises(PeerFailed, match="cannot be run"):
        LlamaServer(no_gguf, 1, no_gguf)
