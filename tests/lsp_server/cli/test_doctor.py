"""`lacuna doctor` on a machine where all is well, and on broken ones."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_diffusion_gemma
from command import lacuna
from tiny_diffusion_gemma import published_config

from lacuna.engine.store import model_store

pytestmark = pytest.mark.weights

SHIPPED = Path(__file__).parents[3] / "engine" / "adapters" / "smollm2-135m"


def check_problem(problem: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """The report of a machine with that one problem."""
    done = lacuna("doctor", "--json", *arguments, **environment)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    (found,) = report["problems"]
    assert problem in found
    assert report["fills"] == []
    return report


@pytest.fixture
def copied_store(embedded_model: Path, tmp_path: Path) -> Path:
    """A cache directory of our own to break, with the embedded model in it."""
    place = tmp_path / "models" / embedded_model.name
    shutil.copytree(embedded_model, place, copy_function=os.link)
    return tmp_path


def rewrite(file: Path, content: bytes) -> None:
    """Not in place: the file may be a link to the real one."""
    file.unlink()
    file.write_bytes(content)


@pytest.mark.usefixtures("embedded_model")
def test_all_is_well() -> None:
    done = lacuna("doctor", "--json", "--model", model_store.EMBEDDED)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["problems"], report["auto"]) == (0, "", [], None)
    assert report["model_verified"] is True
    assert report["speed"]["p50_ms"] > 0.0
    assert report["runtime"]["threads"] >= 0
    assert report["runtime"]["dtype"] in report["runtime"]["reason"]
    first, second = report["fills"]
    assert "load(" in first["text"]
    for fill in (first, second):
        assert fill["stages_ms"].keys() == {"prefill", "denoise", "rerank"}
        assert fill["forwards"] >= fill["steps"] > 0


@pytest.mark.usefixtures("embedded_model")
def test_an_adapter_of_ones_own(tmp_path: Path) -> None:
    own = Path(shutil.copytree(SHIPPED, tmp_path / "own"))
    done = lacuna("doctor", "--json", "--model", model_store.EMBEDDED, "--adapter", str(own))
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert str(own) in report["adapter"]
    assert report["fills"][0]["text"] != ""


def test_an_adapter_that_is_not_there(copied_store: Path) -> None:
    check_problem("`lacuna train gap --name mine` makes one", "--adapter", "mine", LACUNA_CACHE=str(copied_store))


def test_for_people(copied_store: Path) -> None:
    done = lacuna("doctor", LACUNA_CACHE=str(copied_store))
    assert done.returncode == 0
    labels = [line[:17].rstrip() for line in done.stdout.splitlines()]
    assert {"torch", "device", "dtype", "threads", "why", "store", "model", "adapter", "memory needed", "load"} <= set(
        labels
    )
    assert {"auto", "passed over", "could be pulled", "warm keystrokes"} <= set(labels)
    assert (
        f"{model_store.EMBEDDED}: the only one that " in done.stdout
    )  # "is pulled", or "can be used" on a busy machine
    assert "`lacuna pull qwen2.5-coder-0.5b` would bring a better model: it fetches 491 MB" in done.stdout
    assert labels[-1] == "verdict"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    report = check_problem(f"run `lacuna pull {model_store.DEFAULT_PULL}`", LACUNA_CACHE=str(tmp_path))
    assert report["store"] == str(tmp_path / "models")
    assert report["auto"]["model"] == model_store.DEFAULT_PULL
    assert "nothing is pulled" in report["auto"]["why"]
    assert "not pulled" in {other["reason"] for other in report["auto"]["passed_over"]}
    assert [offer["model"] for offer in report["auto"]["offers"]] == ["qwen2.5-coder-1.5b"]


@pytest.mark.usefixtures("embedded_model")
def test_a_device_that_is_not_there() -> None:
    check_problem("device 'tpu' is not available", "--device", "tpu")


def test_a_changed_byte(copied_store: Path) -> None:
    file = copied_store / "models" / model_store.EMBEDDED / "tokenizer.json"
    rewrite(file, file.read_bytes().replace(b"the", b"teh", 1))
    report = check_problem("tokenizer.json does not have the SHA-256", LACUNA_CACHE=str(copied_store))
    assert report["model_verified"] is False


def test_a_model_of_another_family(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    report = check_problem("not supported here", "--model", str(tmp_path))
    assert report["model_verified"] is False


def test_another_family(tmp_path: Path) -> None:
    done = lacuna("doctor", "--json", "--model", str(tiny_diffusion_gemma.write(tmp_path)), "--threads", "1")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["problems"]) == (0, "", [])
    assert report["adapter"] is None
    memory = report["memory"]
    assert 0 < memory["weights"] + memory["cache"] + memory["activations"] == memory["needed"] < memory["available"]
    assert len(report["fills"]) == 2


def test_a_model_that_does_not_fit_is_not_loaded(tmp_path: Path) -> None:
    config = published_config()
    config["text_config"]["num_experts"] = 4096  # more than any machine that runs this test has
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    report = check_problem("GB available", "--model", str(tmp_path), "--dtype", "bfloat16", "--device", "cpu")
    memory = report["memory"]
    assert memory["weights"] > 1e12 and memory["needed"] > memory["available"] > 0
    assert f"needs {memory['needed'] / 1e9:.2f} GB in bfloat16" in report["problems"][0]
    assert report["load_ms"] is None


def test_a_checkpoint_that_was_not_pulled(tmp_path: Path) -> None:
    name = "nvidia/diffusiongemma-26B-A4B-it-NVFP4"
    report = check_problem(f"run `lacuna pull {name}`", "--model", name, LACUNA_CACHE=str(tmp_path))
    [found] = (form for form in report["known"] if form["name"] == name)
    assert 17e9 < found["weights"] < 20e9 and 0 <= found["tokens"] <= found["most_tokens"] == 8192
    told = lacuna("doctor", "--model", name, LACUNA_CACHE=str(tmp_path)).stdout
    assert f"checkpoint        {name}: {found['weights'] / 1e9:.2f} GB of weights, " in told


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is measured another way there")
@pytest.mark.usefixtures("embedded_model")
def test_the_estimate_is_near_what_is_taken() -> None:
    """Torch and Python themselves, 300 MB or so, are not the model's."""
    report = json.loads(lacuna("doctor", "--json", "--model", model_store.EMBEDDED, "--device", "cpu").stdout)
    # Two fills take the caches of one document, not of as many as are kept. The base may be kept in 4 bits.
    estimated = report["memory"]["needed"] - report["memory"]["cache"]
    assert 0.6 < estimated / 1e6 / (report["peak_memory_mb"] - 300) < 2.2


@pytest.mark.usefixtures("embedded_model")
def test_a_torch_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open')", encoding="utf-8")
    check_problem("torch cannot be imported (libtorch.so: cannot open)", PYTHONPATH=str(tmp_path))
