"""What `lacuna quantize` makes of DiffusionGemma stands as vLLM 0.32.0's loader asks for it.

vLLM itself is not at hand here: its rules and its parameters' shapes are stated anew. That its own loader reads such
files, and every weight of them exactly, was seen once (docs/LOG.md, 2026-12-01: what vLLM reads).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import packed_checkpoints as packed
import pytest
import torch
from test_quantize import quiet, tensors
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.quantize.recipe import DIFFUSION_GEMMA
from lacuna.engine.quantize.run import Options, quantize

# Its names for what a checkpoint calls otherwise, by what the names begin with; the first that fits.
PREFIXES = {
    "model.decoder.self_conditioning.": "self_conditioning.",
    "model.decoder.": "model.",
    "model.encoder.language_model.": "model.",
}
HIDDEN, INNER, EXPERTS = (packed.SHAPE[key] for key in ("hidden_size", "moe_intermediate_size", "num_experts"))
# Of the parameters that hold all experts of a layer: type, and shape of one expert's gate, up and down.
INT4 = {
    "weight_packed": (torch.int32, lambda rows, columns: (rows, columns // 8)),
    "weight_scale": (torch.bfloat16, lambda rows, columns: (rows, columns // 32)),
    "weight_shape": (torch.int64, lambda rows, columns: (2,)),
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "int4": INT4,
    "int4-experts": INT4,
    "nvfp4": {
        "weight_packed": (torch.uint8, lambda rows, columns: (rows, columns // 2)),
        "weight_scale": (torch.float8_e4m3fn, lambda rows, columns: (rows, columns // 16)),
        "weight_global_scale": (torch.float32, lambda rows, columns: (1,)),
    },
    "fp8": {
        "weight": (torch.float8_e4m3fn, lambda rows, columns: (rows, columns)),
        "weight_scale": (torch.bfloat16, lambda rows, columns: (rows, 1)),
    },
}
# What a scheme must say for its kernels of experts, and of dense matrices.
EXPERT_SCHEMES = {
    "int4": ("pack-quantized", 4, "int", "group", 32, None),
    "int4-experts": ("pack-quantized", 4, "int", "group", 32, None),
    "nvfp4": ("nvfp4-pack-quantized", 4, "float", "tensor_group", 16, None),
    "fp8": ("float-quantized", 8, "float", "channel", None, "token"),
}
FP8_SCHEME = ("float-quantized", 8, "float", "channel", None, "token")


@pytest.fixture(scope="module", params=list(DIFFUSION_GEMMA))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    quantize(packed.plain(folder / "source"), folder / "out", Options(request.param), quiet)
    return request.param, folder / "out"


def named(name: str) -> str:
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)
    return name if prefix is None else PREFIXES[prefix] + name.removeprefix(prefix)


def scheme(claimed: dict[str, Any], module: str) -> tuple[Any, ...] | None:
    """The one scheme of a module; None for one that is ignored, or that no target names."""
    if any(is_named(module, pattern) for pattern in claimed["ignore"]):
        return None
    found = [group for group in claimed["config_groups"].values() if any(is_named(module, t) for t in group["targets"])]
    assert len(found) <= 1, f"{module} is of several groups"
    if not found:
        return None
    [group] = found
    weights, inputs = group["weights"], group["input_activations"]
    assert weights["symmetric"] and not weights["dynamic"]
    kind = tuple(weights.get(key) for key in ("num_bits", "type", "strategy", "group_size"))
    return (group["format"], *kind, inputs and inputs["strategy"])


def is_named(module: str, pattern: str) -> bool:
    return re.match(pattern[3:], module) is not None if pattern.startswith("re:") else pattern == module


def test_one_scheme_for_what_stands_in_one_parameter(made: tuple[str, Path]) -> None:
    """Gate, up and down of all experts, queries, keys and values, gate and up of a dense block; what is left has none.

    It asks under its own names, and of expert 0 alone.
    """
    recipe, directory = made
    claimed = json.loads((directory / "config.json").read_text())["quantization_config"]
    dense = None if recipe == "int4-experts" else FP8_SCHEME
    for layer in range(packed.SHAPE["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        for part in ("gate", "up", "down"):
            assert scheme(claimed, f"{at}.experts.0.{part}_proj") == EXPERT_SCHEMES[recipe]
            assert scheme(claimed, f"{at}.mlp.{part}_proj") == dense
        for part in "qkvo":
            assert scheme(claimed, f"{at}.self_attn.{part}_proj") == dense
        assert scheme(claimed, f"{at}.router.proj") is None
    for module in ("lm_head", "self_conditioning.gate_proj", "embed_vision.embedding_projection"):
        assert scheme(claimed, module) is None
    for part in ("self_attn.q_proj", "self_attn.q_proj.linear", "mlp.gate_proj"):
        assert scheme(claimed, f"vision_tower.encoder.layers.0.{part}") is None


def test_experts_have_its_names_types_and_shapes(made: tuple[str, Path]) -> None:
    recipe, directory = made
    stored = {named(name): tensor for name, tensor in tensors(directory).items()}
    shapes = {"gate": (INNER, HIDDEN), "up": (INNER, HIDDEN), "down": (HIDDEN, INNER)}
    for layer in range(packed.SHAPE["num_hidden_layers"]):
        at = f"model.layers.{layer}.experts."
        expected = {
            f"{at}{expert}.{part}_proj.{suffix}": (dtype, shape(*shapes[part]))
            for expert in range(EXPERTS)
            for part in shapes
            for suffix, (dtype, shape) in PARAMETERS[recipe].items()
        }
        found = {name: tensor for name, tensor in stored.items() if name.startswith(at)}
        assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in found.items()} == expected
        if recipe == "nvfp4":  # one of the two is taken for both
            for expert in range(EXPERTS):
                gate, up = (found[f"{at}{expert}.{part}_proj.weight_global_scale"] for part in ("gate", "up"))
                assert gate.equal(up)


def test_without_vision_its_config_has_none(tmp_path: Path) -> None:
    """Else it makes a vision tower, and takes what its memory held for weights."""
    source = packed.plain(tmp_path / "source")
    assert json.loads((source / "config.json").read_text())["vision_config"]
    for text_only in (True, False):
        target = tmp_path / f"out {text_only}"
        quantize(source, target, Options("fp8", text_only=text_only), quiet)
        config = json.loads((target / "config.json").read_text())
        has_tower = any(name.startswith("model.encoder.vision_tower") for name in tensors(target))
        assert has_tower == (config["vision_config"] is not None) == (not text_only)
