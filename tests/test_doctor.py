"""`lacuna doctor` on a machine where all is well, and on broken ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import lacuna

from engine import hub

pytestmark = pytest.mark.weights


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
    done = lacuna("doctor", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["problems"]) == (0, "", [])
    assert report["model_verified"] is True
    assert report["runtime"]["threads"] >= 0
    assert report["runtime"]["dtype"] in report["runtime"]["reason"]
    first, second = report["fills"]
    assert "load(" in first["text"]
    for fill in (first, second):
        assert fill["stages_ms"].keys() == {"encode", "denoise", "judge"}
        assert fill["forwards"] > fill["steps"] > 0


@pytest.mark.usefixtures("embedded_model")
def test_for_people() -> None:
    done = lacuna("doctor")
    assert done.returncode == 0
    labels = [line[:17].rstrip() for line in done.stdout.splitlines()]
    assert {"torch", "device", "dtype", "threads", "why", "store", "model", "adapter", "load"} <= set(labels)
    assert labels[-1] == "verdict"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    report = check_problem(f"run `lacuna pull {hub.EMBEDDED}`", LACUNA_CACHE=str(tmp_path))
    assert report["store"] == str(tmp_path / "models")


@pytest.mark.usefixtures("embedded_model")
def test_a_device_that_is_not_there() -> None:
    check_problem("device 'tpu' is not available", "--device", "tpu")


def test_a_changed_byte(copied_store: Path) -> None:
    file = copied_store / "models" / hub.EMBEDDED / "tokenizer.json"
    rewrite(file, file.read_bytes().replace(b"the", b"teh", 1))
    report = check_problem("tokenizer.json does not have the SHA-256", LACUNA_CACHE=str(copied_store))
    assert report["model_verified"] is False


def test_a_model_of_another_family(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    report = check_problem("not supported here", "--model", str(tmp_path))
    assert report["model_verified"] is False


@pytest.mark.usefixtures("embedded_model")
def test_a_torch_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open')", encoding="utf-8")
    check_problem("torch cannot be imported (libtorch.so: cannot open)", PYTHONPATH=str(tmp_path))
