"""One command line and one server for every family of models: nothing but `--model` says which one runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import tiny_diffusion_gemma
from command import lacuna
from language_client import started
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Gap, Stopped
from lacuna.engine.device import memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.quantize.forms import forms
from lacuna.engine.quantize.run import Options, quantize
from lacuna.engine.untrusted.load_error import LoadError
from lacuna.lsp_server.cli.memory_report import MemoryReport

WRITERS: dict[str, Callable[[Path], Path]] = {
    "gap, two reads": write_tiny_model,
    "gap, FIM": write_tiny_fim_model,
    "diffusion_gemma": tiny_diffusion_gemma.write,
}
RUNTIME = Runtime("cpu", "float32", 1, "tests")
PLACE = {"prefix": "def add(a, b):\n    return ", "suffix": "\n\nprint(add(1, 2))\n"}


@pytest.fixture(scope="module", params=WRITERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("model"))


def test_one_interface(model: Path) -> None:
    filled = load.load(str(model), RUNTIME)
    gap = Gap(**PLACE, language="python")
    steps: list[int] = []
    first = filled.infill(gap, document="a.py", on_frame=lambda frame: steps.append(frame.step))
    assert first and steps
    filled.close("a.py")
    filled.close("never opened")
    assert [fill.text for fill in filled.infill(gap, document="a.py")] == [fill.text for fill in first]


def test_needed_memory_counts_every_weight_that_is_loaded(model: Path) -> None:
    needed = load.needed(str(model), RUNTIME)
    text = [file.stat().st_size for file in model.glob("model*.safetensors")]
    assert needed.weights >= 0.9 * sum(text), "the tiny vision tower alone is left out"
    assert needed.cache > 0 and needed.activations > 0
    half = load.needed(str(model), Runtime("cpu", "bfloat16", 1, "tests"))
    assert half.cache == needed.cache // 2
    assert half.weights < 0.7 * needed.weights, "but for the embeddings that tokens are looked up in"


@pytest.mark.parametrize("content", ['{"model_type": "bert"}', "{}"])
def test_an_unknown_family_is_refused_with_those_that_are_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    for work in (load.load, load.needed):
        with pytest.raises(ValueError, match="llama, qwen2 and diffusion_gemma"):
            work(str(tmp_path), RUNTIME)


BOTH_WORKS = pytest.mark.parametrize("work", [load.load, load.needed], ids=["load", "needed"])
NOT_THERE = "there is no adapter .*nowhere.*"


@BOTH_WORKS
@pytest.mark.parametrize("form", ["floats", "int4"])
@pytest.mark.parametrize("write", [write_tiny_model, write_tiny_fim_model])
def test_a_wrong_adapter_is_named_and_missing_memory_as_well(
    tmp_path: Path,
    write: Callable[[Path], Path],
    form: str,
    work: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is not there, by name; one whose weights are gone, beside the model or in OUT/adapter."""
    directory = write(tmp_path / "model")
    if form != "floats":
        quantize(directory, tmp_path / "out", Options(form), lambda done, total: None, directory)
        directory = tmp_path / "out"
    nowhere = str(tmp_path / "nowhere")
    too_large = r"; and without it .* has weights of .* GB, and cpu has .* GB available: choose a smaller model"
    with pytest.raises(ValueError, match=NOT_THERE) as alone:
        work(str(directory), RUNTIME, nowhere)
    assert "GB" not in str(alone.value)
    own = load.own_adapter(str(directory))
    assert own is not None and own.name == ("model" if form == "floats" else "adapter")
    (own / "adapter_model.safetensors").unlink()
    with pytest.raises(LoadError, match=r"adapter_model\.safetensors") as gone:
        work(str(directory), RUNTIME)
    assert "GB" not in str(gone.value)
    monkeypatch.setattr(memory, "available", lambda runtime: 1000)
    for name, message in ((nowhere, NOT_THERE), ("", r"adapter_model\.safetensors.*")):
        with pytest.raises(LoadError, match=message + too_large):
            work(str(directory), RUNTIME, name)


@BOTH_WORKS
def test_a_model_that_takes_no_adapter_says_so_and_what_memory_it_lacks(
    tmp_path: Path, work: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(tiny_diffusion_gemma.write(tmp_path))
    with pytest.raises(ValueError, match=r"takes no adapter: unset 'mine'$"):
        work(model, RUNTIME, "mine")
    monkeypatch.setattr(memory, "available", lambda runtime: 1000)
    with pytest.raises(LoadError, match=r"takes no adapter: unset 'mine'; and without it .* has weights of"):
        work(model, RUNTIME, "mine")


def test_missing_memory_is_not_told_as_a_missing_adapter(tmp_path: Path) -> None:
    """Of a base that has none beside it, and is loaded with one from elsewhere: that one is counted."""
    model, trained = write_tiny_model(tmp_path / "model"), tmp_path / "trained"
    trained.mkdir()
    for file in model.glob("adapter*"):
        file.rename(trained / file.name)
    with pytest.raises(LoadError, match=r"adapter_config\.json"):
        load.needed(str(model), RUNTIME)
    needed = load.needed(str(model), RUNTIME, str(trained))
    named = forms(str(model), RUNTIME, 1000, str(trained))
    assert max(form.weights for form in named) <= needed.weights + 1000, "but for a norm"
    assert not any(form.fits for form in named)
    report = MemoryReport.of(str(model), RUNTIME, str(trained))
    assert report.needed == needed.total and report.forms


def test_infill_jsonl(model: Path) -> None:
    lines = [json.dumps({"id": number, "max_tokens": 3, **PLACE}) for number in range(2)]
    done = lacuna("infill", "--jsonl", "--model", str(model), "--threads", "1", stdin="\n".join(lines).encode())
    assert (done.returncode, done.stderr) == (0, "")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["id"], second["id"]) == (0, 1)
    assert first["text"] == second["text"], "a fill does not depend on the line before it"
    assert first["steps"] > 0


@pytest.mark.parametrize("how", [[], ["--watch"]])
def test_infill_at_a_place(model: Path, tmp_path: Path, how: list[str]) -> None:
    file = tmp_path / "add.py"
    file.write_text(PLACE["prefix"] + PLACE["suffix"], encoding="utf-8")
    done = lacuna("infill", f"{file}:2:12", *how, "--max-tokens", "3", "--model", str(model), "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "the fill" in done.stderr


async def test_the_server_answers(model: Path) -> None:
    settings = {"model": str(model), "threads": 1, "confidence": 0.0, "log_level": "debug"}
    async with started(settings) as (client, _):
        await client.until("ready")
        client.open(PLACE["prefix"] + PLACE["suffix"])
        await client.ask(1, 11, invoked=True)
        report = await client.statistics()
    assert report["requests"] == 1
    assert report["forwards"]["p50"] > 0, report


@pytest.mark.parametrize(("write", "layout"), [(write_tiny_model, "two reads"), (write_tiny_fim_model, "FIM")])
def test_an_adapter_in_words(tmp_path: Path, write: Callable[[Path], Path], layout: str) -> None:
    model = write(tmp_path / "model")
    assert load.adapter_in_words(str(model)) == f"{model}, LoRA of rank 4, layout: {layout}"


def test_what_is_read_ahead_changes_no_fill(model: Path) -> None:
    gap = Gap(PLACE["prefix"], PLACE["suffix"], "python", max_tokens=4)
    ahead, plain = load.load(str(model), RUNTIME), load.load(str(model), RUNTIME)
    ahead.prefill(gap, document="a.py")
    assert ahead.infill(gap, document="a.py")[0].text == plain.infill(gap)[0].text
    further = replace(gap, prefix=gap.prefix + "total + ")  # typed where it was filled before
    ahead.prefill(further, document="a.py")
    assert ahead.infill(further, document="a.py")[0].text == plain.infill(further)[0].text
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        ahead.prefill(replace(gap, prefix="import os\n" + gap.prefix), document="b.py", stop=stop)


def test_doctor_examines_it(model: Path) -> None:
    done = lacuna("doctor", "--json", "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []
