"""Reading safetensors: what is there comes back, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from lacuna.engine.layers import weight_files
from lacuna.engine.layers.weight_files import WeightsError

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b.weight": torch.ones(4, dtype=torch.bfloat16)}
SHAPES = {"a.weight": (2, 3), "b.weight": (4,)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / weight_files.SINGLE_FILE)
    return tmp_path


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    for name, tensor in TENSORS.items():
        save_file({name: tensor}, tmp_path / f"{name}.safetensors")
    _write_index(tmp_path, {name: f"{name}.safetensors" for name in TENSORS})
    return tmp_path


def check_same(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in TENSORS.items()
    )


def check_refused(path: Path, *words: str, expected: dict | None = None) -> None:
    with pytest.raises(WeightsError) as refusal:
        dict(weight_files.checked(path, expected or SHAPES))
    for word in words:
        assert word in str(refusal.value)


def test_one_file(model: Path) -> None:
    check_same(dict(weight_files.stream(model)))
    check_same(dict(weight_files.stream(model / weight_files.SINGLE_FILE)))
    check_same(dict(weight_files.checked(model, SHAPES)))
    assert weight_files.shapes(model) == SHAPES


def test_shards(sharded: Path) -> None:
    check_same(dict(weight_files.checked(sharded, SHAPES)))


def test_every_offending_tensor_is_named(model: Path) -> None:
    expected = {"a.weight": (3, 2), "c.weight": (5,), "d.weight": (6, 7)}
    check_refused(
        model,
        "a.weight: expected [3, 2], found [2, 3]",
        "b.weight: not expected, found [4]",
        "c.weight: missing, expected [5]",
        "d.weight: missing, expected [6, 7]",
        str(model),
        expected=expected,
    )


def test_nothing_is_yielded_before_the_check(model: Path) -> None:
    with pytest.raises(WeightsError):
        weight_files.checked(model, {"a.weight": (2, 3)})


def test_missing_files_are_named(sharded: Path, tmp_path: Path) -> None:
    (sharded / "b.weight.safetensors").unlink()
    check_refused(sharded, "b.weight.safetensors")
    (sharded / weight_files.INDEX_FILE).unlink()
    check_refused(sharded, weight_files.SINGLE_FILE, weight_files.INDEX_FILE)


@pytest.mark.parametrize("index", ["", "{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": ["b"]}}'])
def test_damaged_index(tmp_path: Path, index: str) -> None:
    (tmp_path / weight_files.INDEX_FILE).write_text(index)
    check_refused(tmp_path, weight_files.INDEX_FILE, "damaged")


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/other.safetensors", "sub/other.safetensors", 7])
def test_index_stays_in_its_directory(tmp_path: Path, name: object) -> None:
    _write_index(tmp_path, {"a.weight": name})
    check_refused(tmp_path, "outside its directory", str(name))


def test_a_tensor_in_two_shards(sharded: Path) -> None:
    save_file(TENSORS, sharded / "b.weight.safetensors")
    check_refused(sharded, "a.weight stands in an earlier file too")


@given(st.integers(0, len(save(TENSORS)) - 1))
def test_a_truncated_file_is_never_read(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / weight_files.SINGLE_FILE
    path.write_bytes(save(TENSORS)[:length])
    check_refused(path, str(path))


@given(st.binary(max_size=64))
def test_a_file_of_anything_else_is_never_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("other") / weight_files.SINGLE_FILE
    path.write_bytes(content)
    check_refused(path, str(path))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / weight_files.SINGLE_FILE)
    check_refused(tmp_path, weight_files.SINGLE_FILE)


def _write_index(directory: Path, weight_map: dict) -> None:
    (directory / weight_files.INDEX_FILE).write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
