"""Quantized checkpoints with random faults: each is refused as such, or loads and computes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import packed_checkpoints as packed
import pytest
import tiny_diffusion_gemma as tiny
import torch
from safetensors.torch import load_file, save_file
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.layers.dialects.names import ROLES
from lacuna.engine.untrusted.load_error import LoadError

Tensors = dict[str, torch.Tensor]
TYPES = (torch.uint8, torch.int32, torch.int64, torch.float8_e4m3fn, torch.bfloat16, torch.float16, torch.float32)
VALUES: tuple[Any, ...] = (
    None,
    1,
    -1,
    32,
    16,
    True,
    1e300,
    "x",
    "pack-quantized",
    "re:(",
    ["re:.*("],
    ["["],
    [],
    {},
    [1],
)
ROUNDS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packed")
    source = packed.plain(folder / "plain", num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"])
    return [packed.pack(source, folder / str(at), dialect) for at, dialect in enumerate(packed.DIALECTS.values())]


def drop(chance: random.Random, tensors: Tensors, name: str) -> None:
    del tensors[name]


def rename(chance: random.Random, tensors: Tensors, name: str) -> None:
    tensors[f"{name.rpartition('.')[0]}.{chance.choice([*ROLES, 'k_scale', 'x'])}"] = tensors.pop(name)


def renumber(chance: random.Random, tensors: Tensors, name: str) -> None:
    number = chance.choice(["00", "1", "4", "99999", "-1"])
    tensors[name.replace(".experts.0.", f".experts.{number}.")] = tensors.pop(name)


def retype(chance: random.Random, tensors: Tensors, name: str) -> None:
    tensors[name] = torch.ones(tensors[name].shape).to(chance.choice(TYPES))


def reshape(chance: random.Random, tensors: Tensors, name: str) -> None:
    shape = list(tensors[name].shape)
    changed = chance.choice([[], [*shape, 1], [*shape, 0], shape[1:], [3, *shape[1:]], [*shape[:-1], 2]])
    tensors[name] = torch.ones(changed).to(tensors[name].dtype)


def scramble(chance: random.Random, tensors: Tensors, name: str) -> None:
    tensor = tensors[name]
    bits = torch.tensor([chance.randrange(256) for _ in range(min(tensor.nbytes, 64))], dtype=torch.uint8)
    tensor.flatten().view(torch.uint8)[: len(bits)] = bits


FAULTS: tuple[Callable[[random.Random, Tensors, str], None], ...] = (drop, rename, renumber, retype, reshape, scramble)


def altered(chance: random.Random, value: Any) -> Any:
    """A claim of which something is gone or something else."""
    if not isinstance(value, dict) or not value or chance.random() < 0.2:
        return chance.choice(VALUES)
    key = chance.choice(list(value))
    rest = {name: part for name, part in value.items() if name != key}
    return rest if chance.random() < 0.3 else rest | {key: altered(chance, value[key])}


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed > 4 else []) for seed in range(60)]
)
def test_faults_are_refused(made: list[Path], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    refused = 0
    for _ in range(ROUNDS):
        directory = chance.choice(made)
        tensors = load_file(directory / "model.safetensors")
        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            chance.choice(FAULTS)(
                chance, tensors, chance.choice(sorted(name for name in tensors if "vision" not in name))
            )
        config = json.loads((directory / "config.json").read_text())
        if chance.random() < 0.4 and "quantization_config" in config:
            config["quantization_config"] = altered(chance, config["quantization_config"])
        save_file(
            {name: tensor.clone().contiguous() for name, tensor in tensors.items()}, tmp_path / "model.safetensors"
        )
        (tmp_path / "config.json").write_text(json.dumps(config))
        try:
            compute(tmp_path, chance.choice(["float32", "bfloat16"]))
        except LoadError:
            refused += 1
    assert refused >= 2  # of twelve: else the faults are none


@torch.inference_mode()
def compute(directory: Path, dtype: str) -> None:
    model = checkpoint.load(directory, Runtime("cpu", dtype, 1, "tests"))
    cache = model.cache()
    model.encode(tiny.prompt(0, 1, 9), cache)
    assert model.denoise(tiny.prompt(1, 1, tiny.CANVAS), cache).shape == (1, tiny.CANVAS, packed.SHAPE["hidden_size"])
