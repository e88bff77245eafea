"""Quantized checkpoints that are not what they say: each is refused by the name of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import packed_checkpoints as packed
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.layers.weight_files import WeightsError
from lacuna.engine.untrusted.load_error import LoadError

Tensors = dict[str, torch.Tensor]
LAYER = "model.decoder.layers.0"
QUERY, EXPERT = f"{LAYER}.self_attn.q_proj", f"{LAYER}.experts.2.up_proj"
INT4, ASYMMETRIC, FP8, MXFP4 = "int4 g32", "int4 g32, asymmetric", "fp8 per channel", "mxfp4"
NVFP4, MODELOPT = "nvfp4 of compressed-tensors", "nvfp4 of modelopt"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packed")
    source = packed.plain(folder / "plain", num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"])
    names = (INT4, ASYMMETRIC, FP8, MXFP4, NVFP4, MODELOPT)
    return {name: packed.pack(source, folder / name, packed.DIALECTS[name]) for name in names}


def load(directory: Path) -> None:
    checkpoint.load(directory, Runtime("cpu", "float32", 0, "tests"))


def changed(directory: Path, target: Path, change: Callable[[Tensors], object]) -> Path:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target / "model.safetensors")
    (target / "config.json").write_bytes((directory / "config.json").read_bytes())
    return target


def put(name: str, value: Callable[[Tensors], torch.Tensor]) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: value(tensors)})


def gone(*names: str) -> Callable[[Tensors], object]:
    return lambda tensors: [tensors.pop(name) for name in names]


def first(name: str, value: float) -> Callable[[Tensors], object]:
    """The first number of a tensor, as bits where it holds 8 of them."""

    def change(tensors: Tensors) -> None:
        tensor = tensors[name]
        (tensor.view(torch.uint8) if tensor.itemsize == 1 else tensor).flatten()[0] = value

    return change


def move(name: str, other: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({other: tensors.pop(name)})


def bf16(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.bfloat16)


BY_HEADER: dict[str, tuple[str, Callable[[Tensors], object], str]] = {
    "no scale": (INT4, gone(f"{QUERY}.weight_scale"), f"{QUERY}.weight_packed: its scale: missing"),
    "no scale of an expert": (NVFP4, gone(f"{EXPERT}.weight_scale"), "up_proj.weight_global_scale: its scale: missing"),
    "no global scale": (NVFP4, gone(f"{QUERY}.weight_global_scale"), "its global_scale: missing"),
    "no second scale": (MODELOPT, gone(f"{EXPERT}.weight_scale_2"), "its scale_2: missing"),
    "no payload": (INT4, gone(f"{QUERY}.weight_packed"), "its weight: missing, though there is scale, shape"),
    "no matrix": (MODELOPT, gone(f"{LAYER}.mlp.up_proj.weight"), "mlp.up_proj.weight: missing, expected [128, 64]"),
    "no expert": (
        FP8,
        gone(f"{EXPERT}.weight", f"{EXPERT}.weight_scale"),
        f"{LAYER}.experts.gate_up_proj: 2.up_proj: missing",
    ),
    "an expert too many": (
        FP8,
        put(f"{LAYER}.experts.4.up_proj.weight", lambda tensors: tensors[f"{EXPERT}.weight"].clone()),
        "experts.4.up_proj.weight: not expected, found [64, 64]",
    ),
    "blocks": (FP8, put(f"{QUERY}.weight_scale", lambda _: bf16(2, 2)), "expected [64, 1], found [2, 2]"),
    "inverse scales": (
        FP8,
        move(f"{QUERY}.weight_scale", f"{QUERY}.weight_scale_inv"),
        "q_proj.weight_scale_inv: not expected",
    ),
    "an unknown suffix": (INT4, put(f"{QUERY}.weight_zeros", lambda _: bf16(1)), "q_proj.weight_zeros: not expected"),
    "an unknown group": (
        INT4,
        put(f"{QUERY}.weight_scale", lambda _: bf16(64, 4)),
        "q_proj.weight_scale: 4 groups in a row of 64; only groups of (32, 64, 128) are known",
    ),
    "8 bits": (
        INT4,
        put(f"{QUERY}.weight_packed", lambda _: torch.zeros(64, 16, dtype=torch.int32)),
        "q_proj.weight_packed: holds 8 bits a weight",
    ),
    "bytes for words": (
        INT4,
        put(f"{QUERY}.weight_packed", lambda tensors: tensors[f"{QUERY}.weight_packed"].view(torch.uint8)),
        "q_proj.weight_packed: its global_scale: missing",
    ),
    "words for bytes": (
        NVFP4,
        put(f"{QUERY}.weight_packed", lambda tensors: tensors[f"{QUERY}.weight_packed"].view(torch.int32)),
        "weight_scale: 4 groups in a row of 64",
    ),
    "a payload of 16-bit integers": (
        INT4,
        put(f"{QUERY}.weight_packed", lambda _: torch.zeros(64, 8, dtype=torch.int16)),
        "q_proj.weight_packed: holds I16, which no codec here reads",
    ),
    "a short payload": (
        MXFP4,
        put(f"{QUERY}.weight_packed", lambda tensors: tensors[f"{QUERY}.weight_packed"][:, :16]),
        "q_proj.weight_packed: expected [64, 32], found [64, 16]",
    ),
    "zero points of another matrix": (
        ASYMMETRIC,
        put(f"{QUERY}.weight_zero_point", lambda tensors: tensors[f"{QUERY}.weight_zero_point"][:4]),
        "q_proj.weight_zero_point: expected [8, 2], found [4, 2]",
    ),
    "experts in two layouts": (
        INT4,
        lambda tensors: [
            tensors.pop(f"{EXPERT}.weight_packed"),
            tensors.pop(f"{EXPERT}.weight_scale"),
            tensors.pop(f"{EXPERT}.weight_shape"),
            tensors.update({f"{EXPERT}.weight": bf16(64, 64)}),
        ],
        "gate_up_proj: its experts are in several layouts",
    ),
    "a bank beside its experts": (
        INT4,
        put(f"{LAYER}.experts.gate_up_proj", lambda _: bf16(4, 128, 64)),
        "gate_up_proj: stands as a whole and expert by expert",
    ),
    "both prefixes": (
        INT4,
        put("model.encoder.language_model.norm.weight", lambda _: bf16(64)),
        "under another name",
    ),
    "packed embeddings": (
        FP8,
        put("model.decoder.embed_tokens.weight", lambda _: torch.ones(96, 64).to(torch.float8_e4m3fn)),
        "embed_tokens.weight: holds F8_E4M3, expected BF16 or F16",
    ),
    "a packed norm": (
        NVFP4,
        put("model.decoder.norm.weight", lambda _: torch.zeros(64, dtype=torch.uint8)),
        "norm.weight: holds U8, expected BF16",
    ),
    "a norm's scale": (FP8, put("model.decoder.norm.weight_scale", lambda _: bf16(1)), "not expected beside weight"),
}
BY_VALUE: dict[str, tuple[str, Callable[[Tensors], object], str]] = {
    "NaN": (FP8, first(f"{EXPERT}.weight", 0x7F), f"{EXPERT}.weight holds the code of NaN"),
    "negative NaN": (FP8, first(f"{QUERY}.weight", 0xFF), f"{QUERY}.weight holds the code of NaN"),
    "NaN as a block's scale": (NVFP4, first(f"{EXPERT}.weight_scale", 0x7F), "weight_scale holds the code of NaN"),
    "NaN as a power of two": (MXFP4, first(f"{QUERY}.weight_scale", 0xFF), "weight_scale holds the code of NaN"),
    "an infinite scale": (INT4, first(f"{QUERY}.weight_scale", float("inf")), "a scale that is not finite"),
    "no number as a scale": (FP8, first(f"{QUERY}.weight_scale", float("nan")), "a scale that is not finite"),
    **{
        f"a global scale of {value}": (kind, first(f"{EXPERT}.{name}", value), f"{name} holds a global scale")
        for kind, name in ((NVFP4, "weight_global_scale"), (MODELOPT, "weight_scale_2"))
        for value in (0.0, -1.0, float("nan"), float("inf"))
    },
    "a global scale whose reciprocal is none": (NVFP4, first(f"{EXPERT}.weight_global_scale", 1e-40), "global scale"),
    "another shape": (INT4, first(f"{EXPERT}.weight_shape", 63), f"{EXPERT}.weight_shape says [63, 64]"),
    "permuted groups": (
        ASYMMETRIC,
        put(f"{QUERY}.weight_g_idx", lambda tensors: tensors[f"{QUERY}.weight_g_idx"].flip(0)),
        f"{QUERY}.weight_g_idx permutes the groups",
    ),
}


@pytest.mark.parametrize("case", BY_HEADER)
def test_refused_by_its_headers(made: dict[str, Path], tmp_path: Path, case: str) -> None:
    name, change, message = BY_HEADER[case]
    config = checkpoint.DiffusionGemmaConfig.from_hf(json.loads((made[name] / "config.json").read_text()))
    directory = changed(made[name], tmp_path, change)
    with pytest.raises(WeightsError) as refusal:
        checkpoint.planned(directory, config)
    assert message in str(refusal.value)


@pytest.mark.parametrize("case", BY_VALUE)
def test_refused_by_its_values(made: dict[str, Path], tmp_path: Path, case: str) -> None:
    name, change, message = BY_VALUE[case]
    with pytest.raises(WeightsError) as refusal:
        load(changed(made[name], tmp_path, change))
    assert message in str(refusal.value)


def test_ragged_groups_are_refused(tmp_path: Path) -> None:
    """Rows of 48 weights are one group and a half; every matrix of that shape is named."""
    source = packed.plain(tmp_path / "plain", moe_intermediate_size=48)
    dialect = packed.Dialect(ragged, packed.INT4, (packed.EXPERTS,))
    with pytest.raises(WeightsError, match=r"down_proj\.weight_scale: 2 groups in a row of 48"):
        load(packed.pack(source, tmp_path / "packed", dialect))


def ragged(weight: torch.Tensor) -> packed.Packed:
    stored, exact = packed.int4(torch.nn.functional.pad(weight, (0, -weight.shape[1] % 32)))
    stored["weight_packed"] = stored["weight_packed"][:, : weight.shape[1] // 8]
    return stored, exact[:, : weight.shape[1]]


def claims(directory: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    (target / "model.safetensors").symlink_to(directory / "model.safetensors")
    config = json.loads((directory / "config.json").read_text())
    change(config["quantization_config"])
    (target / "config.json").write_text(json.dumps(config))
    return target


def says(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda config: config.update(values)


def weights(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda config: config["config_groups"]["group_0"]["weights"].update(values)


def ignores(*entries: Any) -> Callable[[dict[str, Any]], object]:
    return lambda config: config.update(ignore=list(entries))


CLAIMS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    **{
        f"by {name}": (INT4, says(quant_method=name), f"quant_method '{name}' is not supported")
        for name in ("awq", "gptq", "fp8", "bitsandbytes")
    },
    "by nobody": (INT4, lambda config: config.pop("quant_method"), "quant_method 'None' is not supported"),
    "transformed": (INT4, says(transform_config={"config_groups": {}, "x": 1}), "transform_config is there"),
    "sparse": (FP8, says(sparsity_config={"format": "sparse-24-bitmask"}), "sparsity_config is there"),
    "another format": (
        INT4,
        lambda config: (config.update(format="int-quantized"), config["config_groups"]["group_0"].pop("format")),
        "format 'int-quantized' is not supported",
    ),
    "mixed, and of what kind": (
        INT4,
        lambda config: (config.update(format="mixed-precision"), config["config_groups"]["group_0"].pop("format")),
        "format 'mixed-precision' is not supported",
    ),
    "the format of others": (
        INT4,
        lambda config: config["config_groups"]["group_0"].update(
            format="float-quantized", weights={"num_bits": 8, "type": "float", "strategy": "channel"}
        ),
        "no group for pack-quantized in groups of 32",
    ),
    "another group": (INT4, weights(group_size=128), "no group for pack-quantized in groups of 32"),
    "asymmetric": (INT4, weights(symmetric=False), "no group for pack-quantized in groups of 32"),
    "8 bits": (INT4, weights(num_bits=8), "weights of 8 bits are not supported"),
    "in blocks": (FP8, weights(strategy="block", block_structure=[128, 128]), "strategy 'block' is not supported"),
    "a block of 32": (NVFP4, weights(group_size=32), "group_size 32 is not supported"),
    "permuted": (INT4, weights(actorder="group"), "actorder says that groups are permuted"),
    "ignored by name": (INT4, ignores("lm_head", QUERY), f"ignore names '{QUERY}'"),
    "ignored by its other name": (
        "renamed",
        ignores(QUERY),
        f"ignore names '{QUERY}', and model.encoder.language_model.layers.0.self_attn.q_proj is quantized",
    ),
    "ignored by class": (INT4, ignores("Linear"), "ignore names 'Linear'"),
    "ignored by expression": (INT4, ignores(r"re:.*self_attn.*"), "is quantized in the files"),
    "ignored by choice": (
        INT4,
        ignores(r"re:.*\.layers\.1\.mlp\.(gate|up)_proj$"),
        "layers.1.mlp.gate_proj is quantized",
    ),
    "ignored by a glob": (MODELOPT, ignores("*experts.3.*"), "experts.3.down_proj is quantized"),
    "ignored by numbers": (INT4, ignores(7), "must hold texts"),
    "ignored by 5,000": (INT4, ignores(*["x"] * 5000), "must be a list of at most 4,096 texts"),
    "groups of a list": (INT4, says(config_groups=[1]), "config_groups is a list of 1, and must be an object"),
    "100 groups": (INT4, says(config_groups={str(number): {} for number in range(100)}), "has 100 groups"),
    "modelopt's FP8": (MODELOPT, says(quant_algo="FP8"), "quant_algo 'FP8' is not supported"),
    "modelopt's block": (MODELOPT, weights(group_size=32), "group_size 32 is not supported"),
    "modelopt's, and it is not": (
        INT4,
        says(quant_method="modelopt", quant_algo="NVFP4", config_groups={}),
        "says modelopt, and the files",
    ),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_that_do_not_hold(made: dict[str, Path], tmp_path: Path, case: str) -> None:
    name, change, message = CLAIMS[case]
    if name == "renamed":
        (tmp_path / "renamed").mkdir()
        made = made | {name: changed(made[INT4], tmp_path / "renamed", move_to_encoder)}
    with pytest.raises(LoadError) as refusal:
        load(claims(made[name], tmp_path, change))
    assert message in str(refusal.value)


def move_to_encoder(tensors: Tensors) -> None:
    for name in [name for name in tensors if name.startswith(QUERY)]:
        tensors[name.replace("model.decoder.", "model.encoder.language_model.")] = tensors.pop(name)


def test_a_claim_without_quantized_weights(made: dict[str, Path], tmp_path: Path) -> None:
    floats = made[INT4] / "float32"
    (tmp_path / "model.safetensors").symlink_to(floats / "model.safetensors")
    (tmp_path / "config.json").write_bytes((made[INT4] / "config.json").read_bytes())
    with pytest.raises(LoadError, match="no weight in the files is quantized"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ignores("lm_head", "re:.*router.*", "re:^model.encoder.vision_tower", "Embedding"),
        ignores(*[f"model.decoder.layers.{layer}.router.proj" for layer in range(255)]),
        says(transform_config={}, sparsity_config={}, kv_cache_scheme=None),
        weights(actorder="static", observer="mse", group_size=None),
        lambda config: config.pop("config_groups"),
        lambda config: config.pop("ignore"),
        weights(strategy="group", dynamic=False),
    ],
)
def test_claims_that_hold(made: dict[str, Path], tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    load(claims(made[INT4], tmp_path, change))


def test_without_a_claim_the_files_decide(made: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(made[INT4] / "model.safetensors")
    (tmp_path / "config.json").write_bytes((made[INT4] / "float32" / "config.json").read_bytes())
    load(tmp_path)


def test_expressions_that_take_for_ever_do_not(
    made: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is more than dots, stars and choices is not matched, and that is said."""
    hard = [r"re:(.*a.*)*b.*$", r"re:^(([a-z.0-9_])+)+X$", r"re:(?!.*mlp).*self_attn.*", *["re:" + ".*a" * 60] * 3000]
    load(claims(made[INT4], tmp_path, ignores(*hard)))
    assert any("entries of the list of modules left as they are were not checked" in text for text in caplog.messages)
