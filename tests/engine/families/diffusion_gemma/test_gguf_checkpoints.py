"""GGUF files of every type: they load, compute what their dequantized weights compute, and fill as these do."""

from __future__ import annotations

import logging
from pathlib import Path

import gguf_checkpoints as made
import packed_checkpoints
import pytest
import tiny_diffusion_gemma as tiny
import torch
from gguf import GGMLQuantizationType as Kind
from packed_model import canvases, check_logits, load, logits
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine import load as engine
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint, memory
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.layers import weight_files
from lacuna.engine.store import model_store
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_checkpoints.plain(tmp_path_factory.mktemp("plain"), embedding=0.2, **made.QUANTIZABLE)


@pytest.fixture(scope="module")
def directories(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("gguf")
    return {name: made.write(source, folder / name, chosen) for name, chosen in made.TYPES.items()}


def config(directory: Path) -> DiffusionGemmaConfig:
    return DiffusionGemmaConfig.from_hf(config_file.read(directory / "config.json").values)


@pytest.mark.parametrize("name", made.TYPES)
def test_logits_are_those_of_the_dequantized_weights(directories: dict[str, Path], name: str) -> None:
    check_logits(directories[name])


@pytest.mark.parametrize("name", made.TYPES)
def test_whole_generations_are_equal(directories: dict[str, Path], name: str) -> None:
    found, expected = (canvases(load(place)) for place in (directories[name], directories[name] / "float32"))
    assert len(found) == len(expected) > 2
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", made.PACKED)
def test_the_packed_weights_are_not_the_original_ones(directories: dict[str, Path], source: Path, name: str) -> None:
    assert (logits(load(directories[name])) - logits(load(source))).abs().max() > 0.01


def test_the_log_says_what_is_packed(directories: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lacuna.engine"):
        load(directories["as Q4_K_M is"])
    said = "Q4_K of GGUF, Q6_K of GGUF, Q8_0 of GGUF"
    assert f"weights are kept as they are packed: {said}" in caplog.messages
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("name", made.PACKED)
def test_memory_is_the_packed_bytes(directories: dict[str, Path], name: str) -> None:
    """All that is in the file, but embeddings and what is in floats, which take 2 bytes a number."""
    directory = directories[name]
    needed = memory.needed(directory, Runtime("cuda", "bfloat16", 0, "tests"))
    packed, _ = made.pack(weights_of(directory / "float32"), made.TYPES[name])
    expected = sum(
        weights.nbytes // (2 if kind == Kind.F32 else 1)
        for tensor, (weights, kind) in packed.items()
        if tensor not in ("rope_freqs.weight", "token_embd.weight")
    )
    assert needed.weights == expected + tiny.VOCABULARY * 256 * 2
    assert needed.formats == tuple(checkpoint.planned(directory, config(directory)).formats()) != ()
    assert engine.needed(str(directory), Runtime("cuda", "bfloat16", 0, "tests")) == needed


def weights_of(directory: Path) -> dict[str, torch.Tensor]:
    return dict(weight_files.stream(directory))


def test_the_path_of_a_file_is_that_of_its_directory(directories: dict[str, Path]) -> None:
    directory = directories["Q4_0"]
    assert model_store.find(str(directory / "model.gguf")) == directory
    with pytest.raises(model_store.ModelMissing, match="there is no model directory"):
        model_store.find(str(directory / "other.gguf"))


def test_a_file_alone_is_no_model(directories: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "model.gguf").symlink_to(directories["Q4_0"] / "model.gguf")
    with pytest.raises(model_store.ModelMissing, match=r"put the config\.json and tokenizer\.json"):
        model_store.find(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("other", ["other.gguf", "model.safetensors", "model.safetensors.index.json"])
def test_which_weights_are_meant_must_be_clear(directories: dict[str, Path], tmp_path: Path, other: str) -> None:
    (tmp_path / "model.gguf").symlink_to(directories["Q4_0"] / "model.gguf")
    (tmp_path / "config.json").symlink_to(directories["Q4_0"] / "config.json")
    load(tmp_path)
    (tmp_path / other).write_bytes(b"")
    with pytest.raises(LoadError, match="leave one GGUF file there, or none"):
        load(tmp_path)
