"""Checkpoints in every dialect: they load, compute what their dequantized weights compute, and fill as these do."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import packed_checkpoints as packed
import pytest
import torch
from packed_model import canvases, check_logits, load, logits
from safetensors.torch import load_file, save_file
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig

GLOBALS = ("weight_global_scale", "weight_scale_2")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed.plain(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def directories(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packed")
    return {
        name: packed.pack(source, folder / str(number), dialect)
        for number, (name, dialect) in enumerate(packed.DIALECTS.items())
    }


@pytest.mark.parametrize("name", packed.DIALECTS)
def test_logits_are_those_of_the_dequantized_weights(directories: dict[str, Path], name: str) -> None:
    check_logits(directories[name])


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_groups_of_128(tmp_path: Path, is_symmetric: bool) -> None:
    """Of a model whose rows all hold such groups, which the published experts' do not."""
    wide = dict.fromkeys(("hidden_size", "moe_intermediate_size"), 128) | {"intermediate_size": 256}
    source = packed.plain(tmp_path / "plain", **wide, head_dim=32, global_head_dim=64)
    claim = packed.claim("pack-quantized", 4, "int", "group", 128, symmetric=is_symmetric)
    write = packed.int4 if is_symmetric else packed.int4_asymmetric
    directory = packed.pack(source, tmp_path / "packed", packed.Dialect(lambda weight: write(weight, 128), claim))
    config = DiffusionGemmaConfig.from_hf(json.loads((source / "config.json").read_text("utf-8")))
    asymmetric = "" if is_symmetric else ", asymmetric"
    assert checkpoint.planned(directory, config).formats() == [f"pack-quantized in groups of 128{asymmetric}"]
    check_logits(directory)
    found, expected = (canvases(load(place)) for place in (directory, directory / "float32"))
    assert len(found) == len(expected) > 2
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_packed_weights_are_not_the_original_ones(directories: dict[str, Path], source: Path) -> None:
    """Without it, a loader that found float weights somewhere would pass."""
    original = logits(load(source))
    for name, directory in directories.items():
        assert (logits(load(directory)) - original).abs().max() > 0.05, name


@pytest.mark.parametrize("name", packed.DIALECTS)
def test_whole_generations_are_equal(directories: dict[str, Path], name: str) -> None:
    found, expected = (canvases(load(place)) for place in (directories[name], directories[name] / "float32"))
    assert len(found) == len(expected) > 2
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def renamed(directory: Path, target: Path, change: object) -> Path:
    """The checkpoint with other names."""
    target.mkdir()
    tensors = load_file(directory / "model.safetensors")
    save_file({change(name): tensor for name, tensor in tensors.items()}, target / "model.safetensors")
    (target / "config.json").write_bytes((directory / "config.json").read_bytes())
    return target


def encoder(name: str) -> str:
    shared = name.startswith("model.decoder.") and not name.endswith(".layer_scalar")
    return name.replace("model.decoder.", "model.encoder.language_model.", 1) if shared else name


@pytest.mark.parametrize("change", [encoder, lambda name: name.replace(".experts.", ".moe.experts.")])
def test_other_names_of_the_same_weights(directories: dict[str, Path], tmp_path: Path, change: object) -> None:
    directory = directories["int4 g32"]
    found = renamed(directory, tmp_path / "renamed", change)
    assert torch.equal(logits(load(found)), logits(load(directory)))


@pytest.mark.parametrize("name", [name for name in packed.DIALECTS if "per tensor" not in name])
@pytest.mark.parametrize("spelling", ["{bank}_{role}", "{bank}.{suffix}"])
def test_banks_instead_of_single_experts(
    directories: dict[str, Path], tmp_path: Path, name: str, spelling: str
) -> None:
    tensors = load_file(directories[name] / "model.safetensors")
    for tensor in [tensor for tensor in tensors if tensor.endswith(GLOBALS)]:
        # In a bank an expert's gate and up have one scale, as they have in what is published.
        tensors[tensor] = tensors[tensor.replace(".up_proj.", ".gate_proj.")]
    places = []
    for kind, stored in (("single", tensors), ("banks", stack(tensors, spelling))):
        places.append(tmp_path / kind)
        places[-1].mkdir()
        save_file({name: tensor.clone() for name, tensor in stored.items()}, places[-1] / "model.safetensors")
        (places[-1] / "config.json").write_bytes((directories[name] / "config.json").read_bytes())
    assert not any(".experts.0." in name for name in load_file(places[1] / "model.safetensors"))
    assert torch.equal(logits(load(places[1])), logits(load(places[0])))


def stack(tensors: dict[str, torch.Tensor], spelling: str) -> dict[str, torch.Tensor]:
    """Single experts as banks."""
    found = {name: tensor for name, tensor in tensors.items() if ".experts." not in name}
    prefixes = sorted({name.partition(".experts.")[0] for name in tensors if ".experts." in name})
    count = packed.SHAPE["num_experts"]
    for prefix in prefixes:
        suffixes = {name.rpartition(".")[2] for name in tensors if name.startswith(f"{prefix}.experts.0.")}
        for suffix in suffixes - {"input_scale", "input_global_scale"}:
            for bank, projections in (("gate_up_proj", ("gate_proj", "up_proj")), ("down_proj", ("down_proj",))):
                experts = [
                    _joined([tensors[f"{prefix}.experts.{expert}.{one}.{suffix}"] for one in projections], suffix)
                    for expert in range(count)
                ]
                role = suffix.removeprefix("weight_")
                plain = suffix == "weight" and spelling == "{bank}_{role}"
                name = f"{bank}" if plain else spelling.format(bank=bank, role=role, suffix=suffix)
                whole = experts[0] if suffix == "weight_g_idx" else torch.stack(experts)
                found[f"{prefix}.experts.{name}"] = whole
    return found


def _joined(parts: list[torch.Tensor], suffix: str) -> torch.Tensor:
    if suffix == "weight_shape":
        return torch.tensor([sum(int(part[0]) for part in parts), int(parts[0][1])])
    return parts[0] if suffix in (*GLOBALS, "weight_g_idx") else torch.cat(parts)


def test_shards(directories: dict[str, Path], tmp_path: Path) -> None:
    """A layer may lie in two files, an expert's payload in another than its scale."""
    directory = directories["nvfp4 of compressed-tensors"]
    tensors = load_file(directory / "model.safetensors")
    files = {name: f"model-{number % 2 + 1:05}-of-00002.safetensors" for number, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in files if files[name] == file}, tmp_path / file)
    packed.write_index(tmp_path, files)
    (tmp_path / "config.json").write_bytes((directory / "config.json").read_bytes())
    assert torch.equal(logits(load(tmp_path)), logits(load(directory)))


def test_what_the_model_does_not_use_is_not_read(directories: dict[str, Path], tmp_path: Path) -> None:
    directory = directories["fp8 per channel"]
    tensors = load_file(directory / "model.safetensors")
    attention = "model.decoder.layers.0.self_attn"
    for name in (f"{attention}.k_scale", f"{attention}.v_scale", f"{attention}.q_proj.input_scale"):
        tensors[name] = torch.tensor(float("nan"))
    tensors["model.encoder.embed_vision.embedding.weight_scale"] = torch.ones(1)
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((directory / "config.json").read_bytes())
    assert torch.equal(logits(load(tmp_path)), logits(load(directory)))


def test_the_log_says_what_is_packed(directories: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lacuna.engine"):
        load(directories["int4 g32, asymmetric"])
    assert "weights are kept as they are packed: pack-quantized in groups of 32, asymmetric" in caplog.messages
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
