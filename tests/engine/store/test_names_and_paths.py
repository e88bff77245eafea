"""A name of a model or an adapter is never looked up in the current directory, which may be a stranger's repository."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from command import lacuna
from tiny_model import write_tiny_model

from lacuna.engine.families.gap import lora
from lacuna.engine.store import model_store, named_path
from lacuna.engine.store.model_store import ModelMissing

NAMES = [model_store.EMBEDDED, "owner/name", "owner/name@main", "mine", "a.b", "sub/dir/model"]


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, which holds a model and adapter under every name; the store is empty."""
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    workspace = tmp_path / "workspace"
    good = write_tiny_model(tmp_path / "good")
    for name in NAMES:
        shutil.copytree(good, workspace / name)
    monkeypatch.chdir(workspace)
    return workspace


@pytest.mark.parametrize("name", NAMES)
def test_a_model_by_name_is_that_of_the_store(hostile: Path, name: str) -> None:
    with pytest.raises(ModelMissing, match=r"lacuna pull|a path is absolute, or begins with \./"):
        model_store.find(name)
    assert model_store.find(f"./{name}") == Path(name)
    assert model_store.find(str(hostile / name)) == hostile / name


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_by_name_is_that_of_the_user(hostile: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"a path is absolute, or begins with \./"):
        lora.trained(name)
    assert lora.trained(f"./{name}") == Path(name)
    if "/" not in name and "@" not in name:
        own = hostile.parent / "cache" / "training" / name
        shutil.copytree(hostile / name, own)
        assert lora.trained(name) == own


@pytest.mark.parametrize(
    ("given", "is_path"),
    [(".", True), ("..", True), ("./a", True), ("../a", True), ("/a", True), ("~", True), ("~/a", True)]
    + [(name, False) for name in ("", "a", "a/b", ".a", "..a", "a/..", "...", "a~", "-", "a\\b")],
)
def test_what_is_a_path(given: str, is_path: bool) -> None:
    assert (named_path.path(given) is not None) is is_path


def test_a_home_that_nobody_has() -> None:
    with pytest.raises(ModelMissing, match="~nobody-has-this"):
        model_store.find("~nobody-has-this/model")


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor", "--json"),
        ("infill", "--jsonl"),
        ("eval", "--split", "none.jsonl"),
        ("demo", "--plain"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_takes_names_so(hostile: Path, arguments: tuple[str, ...]) -> None:
    """`sub/dir/model` can be in no store, so nothing is pulled either."""
    done = lacuna(*arguments, "--model", "sub/dir/model")
    assert done.returncode == 1, done.stdout
    assert "is no model name" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_with_an_adapter_of_the_workspace(hostile: Path) -> None:
    done = lacuna("doctor", "--json", "--model", "./mine", "--adapter", "mine", "--threads", "1")
    assert "there is no adapter" in "".join(json.loads(done.stdout)["problems"])
    done = lacuna("doctor", "--json", "--model", "./mine", "--adapter", os.fspath(hostile / "mine"), "--threads", "1")
    assert json.loads(done.stdout)["problems"] == []
