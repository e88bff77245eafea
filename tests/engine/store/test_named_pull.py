"""Models with a name: from the hub where it gives them, otherwise out of wheels in parts; whole, or not at all."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from hub_server import HubServer, serve
from tiny_gguf import write_gguf, write_wheel

from lacuna.engine.store import model_store, named_fetch, named_models, paths
from lacuna.engine.store.model_store import ModelMissing
from lacuna.engine.store.named_models import NAMED_MODELS, NamedModel
from lacuna.engine.store.progress import Stage, silent
from lacuna.engine.store.pull_error import PullError, PullStopped

REPOSITORY = "somebody/tiny-GGUF"
PARTS = 3


class Told:
    """A report that remembers, and looks at the disk meanwhile."""

    def __init__(self, act: Callable[[Stage, int, int], None] = silent) -> None:
        self.values: list[tuple[Stage, int, int]] = []
        self.most_wheels = 0
        self._act = act

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        self.values.append((stage, done, total))
        self.most_wheels = max(self.most_wheels, len(list(paths.models().glob(".pulling-*/download/*/*.whl"))))
        self._act(stage, done, total)

    @property
    def stages(self) -> list[Stage]:
        found = [stage for stage, _, _ in self.values]
        return [stage for at, stage in enumerate(found) if at == 0 or found[at - 1] is not stage]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NamedModel:
    """A model in three wheels; the hub is out of reach."""
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(named_fetch, "HUB_SECONDS", 60.0)  # a test's machine may be slow
    model = dataclasses.replace(write_wheel(tmp_path / "index", parts=PARTS), repository=REPOSITORY)
    monkeypatch.setitem(NAMED_MODELS, "tiny", model)
    return model


@pytest.fixture
def hub(tiny: NamedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """It has the file; the index has none of its wheels."""
    write_gguf(tmp_path / "tiny.gguf")
    for wheel in (tmp_path / "index").iterdir():
        wheel.rename(tmp_path / wheel.name)
    with serve(REPOSITORY) as running:
        running.files = {"tiny.gguf": (tmp_path / "tiny.gguf").read_bytes(), "other.gguf": b"x", "config.json": b"{}"}
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def give_mirror(tmp_path: Path) -> None:
    for wheel in tmp_path.glob("*.whl"):
        wheel.rename(tmp_path / "index" / wheel.name)


def check_nothing_is_left() -> None:
    assert [name for name in os.listdir(paths.models()) if not name.endswith(".lock")] == []
    with pytest.raises(ModelMissing):
        model_store.find("tiny")


def test_out_of_wheels_where_the_hub_is_out_of_reach(tiny: NamedModel) -> None:
    told = Told()
    place = model_store.pull("tiny", told)
    assert model_store.verify(place) == []
    assert model_store.source(place) == "lacuna-tiny-model-part1==1.0 to lacuna-tiny-model-part3==1.0"
    assert told.stages == [Stage.ASKING, Stage.MIRROR, Stage.FETCHING, Stage.CONVERTING, Stage.CHECKING]
    assert told.most_wheels == 1, "one at a time is on the disk"
    assert {entry.name for entry in place.parent.iterdir()} == {"tiny", ".tiny.lock"}


def test_the_parts_are_one_fetch(tiny: NamedModel) -> None:
    told = Told()
    model_store.pull("tiny", told)
    fetched = [(done, total) for stage, done, total in told.values if stage is Stage.FETCHING]
    whole = sum(wheel.size for wheel in tiny.wheels)
    assert {total for _, total in fetched} == {whole}
    assert fetched == sorted(fetched)
    assert fetched[-1] == (whole, whole)


def test_from_the_hub(tiny: NamedModel, hub: HubServer) -> None:
    told = Told()
    place = model_store.pull("tiny", told)
    assert model_store.verify(place) == []
    assert model_store.source(place) == REPOSITORY
    assert hub.downloads == ["tiny.gguf"]
    assert told.stages == [Stage.ASKING, Stage.FETCHING, Stage.CONVERTING, Stage.CHECKING]
    assert {total for stage, _, total in told.values if stage is Stage.FETCHING} == {tiny.size}


def another_file(hub: HubServer) -> None:
    hub.files["tiny.gguf"] += b"more"


def no_file(hub: HubServer) -> None:
    del hub.files["tiny.gguf"]


def no_repository(hub: HubServer) -> None:
    hub.repository = "somebody/else"


def breaks_off(hub: HubServer) -> None:
    hub.sent["tiny.gguf"] = None


@pytest.mark.parametrize("change", [another_file, no_file, no_repository, breaks_off])
def test_a_hub_that_does_not_give_it(
    tiny: NamedModel, hub: HubServer, tmp_path: Path, change: Callable[[HubServer], None]
) -> None:
    give_mirror(tmp_path)
    change(hub)
    told = Told()
    place = model_store.pull("tiny", told)
    assert Stage.MIRROR in told.stages
    assert model_store.verify(place) == []
    assert {entry.name for entry in place.parent.iterdir()} == {"tiny", ".tiny.lock"}


def test_a_hub_that_says_nothing(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:  # it takes connections
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent_hub.getsockname()[1]}")
        monkeypatch.setattr(named_fetch, "HUB_SECONDS", 0.5)
        told = Told()
        assert model_store.verify(model_store.pull("tiny", told)) == []
    assert told.stages[:2] == [Stage.ASKING, Stage.MIRROR]


def test_a_hub_that_sends_other_bytes(tiny: NamedModel, hub: HubServer, tmp_path: Path) -> None:
    """It says what we want, and sends what we do not."""
    give_mirror(tmp_path)
    content = hub.files["tiny.gguf"]
    hub.sent["tiny.gguf"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(
        PullError, match=f"tiny.gguf is not the file that was asked for: expected SHA-256 {tiny.sha256}"
    ):
        model_store.pull("tiny")
    check_nothing_is_left()


@pytest.mark.parametrize(
    "answer",
    [
        *("[]", "7", "null", "{", "<html>"),
        '{"id": "a", "sha": "x", "siblings": []}',
        '{"id": "a", "sha": "x", "siblings": [{"rfilename": "tiny.gguf", "size": -1}]}',
    ],
)
def test_a_hub_that_answers_anything(tiny: NamedModel, hub: HubServer, tmp_path: Path, answer: str) -> None:
    give_mirror(tmp_path)
    hub.described = answer.encode()
    with pytest.raises(PullError, match=f"the hub's answer to {REPOSITORY} makes no sense"):
        model_store.pull("tiny")
    check_nothing_is_left()


def test_a_part_with_other_bytes(tiny: NamedModel, tmp_path: Path) -> None:
    wheel = tmp_path / "index" / "lacuna_tiny_model_part2-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(PullError, match=r"the wheel lacuna-tiny-model-part2==1\.0 is not the file that was asked for"):
        model_store.pull("tiny")
    check_nothing_is_left()


def test_a_part_that_is_missing(tiny: NamedModel, tmp_path: Path) -> None:
    (tmp_path / "index" / "lacuna_tiny_model_part3-1.0-py3-none-any.whl").unlink()
    with pytest.raises(PullError, match=r"pip could not download lacuna-tiny-model-part3==1\.0"):
        model_store.pull("tiny")
    check_nothing_is_left()


def test_the_joined_file_decides(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED_MODELS, "tiny", dataclasses.replace(tiny, wheels=tiny.wheels[::-1]))
    with pytest.raises(
        PullError, match=f"tiny.gguf is not the file that was asked for: expected SHA-256 {tiny.sha256}"
    ):
        model_store.pull("tiny")
    check_nothing_is_left()


def test_no_room(tiny: NamedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMED_MODELS, "tiny", dataclasses.replace(tiny, disk_bytes=1 << 60))
    told = Told()
    with pytest.raises(PullError, match=f"the disk is full: the model needs {1 << 60:,} bytes"):
        model_store.pull("tiny", told)
    assert told.values == [], "it is known before anybody is asked"
    check_nothing_is_left()


@pytest.mark.parametrize("stage", [Stage.ASKING, Stage.MIRROR, Stage.CONVERTING, Stage.CHECKING])
def test_a_stop_in_every_stage(tiny: NamedModel, stage: Stage) -> None:
    stop = Event()
    with pytest.raises(PullStopped):
        model_store.pull("tiny", Told(lambda now, *_: stop.set() if now is stage else None), stop)
    check_nothing_is_left()


@pytest.mark.parametrize("part", range(PARTS))
def test_a_stop_between_parts(tiny: NamedModel, part: int) -> None:
    before = sum(wheel.size for wheel in tiny.wheels[:part])
    stop = Event()

    def act(stage: Stage, done: int, _: int) -> None:
        if stage is Stage.FETCHING and done >= before:
            stop.set()

    told = Told(act)
    with pytest.raises(PullStopped):
        model_store.pull("tiny", told, stop)
    fetched = max(done for stage, done, _ in told.values if stage is Stage.FETCHING)
    assert fetched <= before + tiny.wheels[part].size, "no later part is begun"
    check_nothing_is_left()


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_the_table(name: str) -> None:
    """What a slip of the hand would spoil: hashes of another length, parts out of order or twice, sizes."""
    model = named_models.NAMED_MODELS[name]
    hashes = [model.sha256, *(wheel.sha256 for wheel in model.wheels)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(digest) == 64 and int(digest, 16) for digest in hashes)
    assert len({wheel.requirement for wheel in model.wheels}) == len(model.wheels)
    assert 0.9 * model.size < sum(wheel.size for wheel in model.wheels) < model.size
    assert model.disk_bytes > 3 * model.size, "bfloat16 takes more than the four bits of the file"
    assert all("==" in wheel.requirement for wheel in model.wheels)
