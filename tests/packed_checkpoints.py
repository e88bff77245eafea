"""Tiny DiffusionGemma checkpoints in the dialects that are published, and what they dequantize to.

Packed by code of its own, value by value in float64, so that it shares no mistake with the engine's codecs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tiny_diffusion_gemma as tiny
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

CODES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=torch.float64)
ATTENTION, DENSE, EXPERTS = r".*\.self_attn\.\w_proj", r".*\.layers\.\d+\.mlp\.\w+_proj", r".*\.experts\..*"
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 64,
    "head_dim": 16,
    "global_head_dim": 32,
    "num_experts": 4,
    "num_hidden_layers": 3,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
}

Packed = tuple[dict[str, Tensor], Tensor]  # stored tensors by suffix, and the weights in float64


@dataclass(frozen=True)
class Dialect:
    pack: Callable[[Tensor], Packed]
    config: Mapping[str, Any]
    targets: tuple[str, ...] = (ATTENTION, DENSE, EXPERTS)
    leftovers: torch.dtype = torch.bfloat16
    file: Mapping[str, Any] = field(default_factory=dict)  # hf_quant_config.json


def nibbles(codes: Tensor) -> Tensor:
    """Bytes of numbers from 0 to 15, [rows, columns]: the even column in the low nibble."""
    return (codes[:, 0::2] | codes[:, 1::2] << 4).to(torch.uint8)


def words(codes: Tensor) -> Tensor:
    """int32 [rows, columns / 8] of numbers from 0 to 15, eight a word, the first in the lowest bits."""
    total = sum(codes[:, at::8].long() << (4 * at) for at in range(8))
    return torch.where(total >= 2**31, total - 2**32, total).to(torch.int32)


def fp8(weight: Tensor) -> Packed:
    scale = (weight.abs().amax(-1, keepdim=True) / 448).bfloat16()
    payload = (weight / scale.double()).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"weight": payload, "weight_scale": scale}, payload.double() * scale.double()


def fp8_per_tensor(weight: Tensor) -> Packed:
    scale = (weight.abs().max() / 448).float().reshape(1)
    payload = (weight / scale.double()).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"weight": payload, "weight_scale": scale}, payload.double() * scale.double()


def int4(weight: Tensor, group: int = 32, scales: torch.dtype = torch.bfloat16) -> Packed:
    groups = weight.unflatten(1, (-1, group))
    largest = groups.gather(-1, groups.abs().argmax(-1, keepdim=True)).squeeze(-1)
    scale = (largest / -8).to(scales)  # of either sign
    level = (groups / scale.double()[..., None]).round().clamp(-8, 7)
    stored = {
        "weight_packed": words(level.flatten(1).long() + 8),
        "weight_scale": scale,
        "weight_shape": torch.tensor(weight.shape),
    }
    return stored, (level * scale.double()[..., None]).flatten(1)


def int4_asymmetric(weight: Tensor, group: int = 32) -> Packed:
    groups = weight.unflatten(1, (-1, group))
    least, most = groups.amin(-1), groups.amax(-1)
    scale = ((most - least) / 15).bfloat16()
    zero = (-8 - least / scale.double()).round().clamp(-8, 7)
    level = (groups / scale.double()[..., None] + zero[..., None]).round().clamp(-8, 7)
    stored = {
        "weight_packed": words(level.flatten(1).long() + 8),
        "weight_scale": scale,
        "weight_zero_point": words((zero.long() + 8).t()).t().contiguous(),  # packed along the rows
        "weight_shape": torch.tensor(weight.shape),
        "weight_g_idx": torch.arange(weight.shape[1], dtype=torch.int32) // group,
    }
    return stored, ((level - zero[..., None]) * scale.double()[..., None]).flatten(1)


def e2m1(values: Tensor) -> Tensor:
    """The nearest codes, [rows, blocks, columns]."""
    index = (values.abs()[..., None] - CODES).abs().argmin(-1)
    return index | (values < 0).long() << 3


def decoded(codes: Tensor) -> Tensor:
    return CODES[codes & 7] * torch.where(codes >= 8, -1.0, 1.0).double()


def nvfp4(weight: Tensor, divides: bool) -> Packed:
    blocks = weight.unflatten(1, (-1, 16))
    factor = (weight.abs().max() / (6 * 448)).float()
    scale = (blocks.abs().amax(-1) / 6 / factor.double()).clamp(2**-9, 448).to(torch.float8_e4m3fn)
    codes = e2m1(blocks / scale.double()[..., None] / factor.double())
    exact = (decoded(codes) * scale.double()[..., None] * factor.double()).flatten(1)
    if not divides:
        scalars = {"weight_scale_2": factor, "input_scale": torch.tensor(0.25)}
        return {"weight": nibbles(codes.flatten(1)), "weight_scale": scale, **scalars}, exact
    scalars = {"weight_global_scale": factor.reciprocal().reshape(1), "input_global_scale": torch.ones(1)}
    return {"weight_packed": nibbles(codes.flatten(1)), "weight_scale": scale, **scalars}, exact


def mxfp4(weight: Tensor) -> Packed:
    blocks = weight.unflatten(1, (-1, 32))
    exponent = (blocks.abs().amax(-1).log2().floor() - 2).clamp(-127, 127)
    codes = e2m1(blocks / 2.0 ** exponent[..., None])
    stored = {"weight_packed": nibbles(codes.flatten(1)), "weight_scale": (exponent + 127).to(torch.uint8)}
    return stored, (decoded(codes) * 2.0 ** exponent[..., None]).flatten(1)


def claim(kind: str, bits: int, number: str, strategy: str, size: int | None = None, **more: Any) -> dict[str, Any]:
    """A quantization_config of compressed-tensors."""
    weights = {"num_bits": bits, "type": number, "strategy": strategy, "group_size": size, "symmetric": True}
    group = {"targets": ["Linear"], "weights": weights | more, "input_activations": None, "format": kind}
    left = ["re:.*router.*", "re:.*self_conditioning.*", "re:.*vision_tower.*", "model.decoder.lm_head", "lm_head"]
    return {
        "quant_method": "compressed-tensors",
        "format": kind,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": left,
        "kv_cache_scheme": None,
        "sparsity_config": {},
        "transform_config": {},
    }


MODELOPT = {
    "quant_method": "modelopt",
    "quant_algo": "NVFP4",
    "config_groups": {
        "group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}, "targets": ["Linear"]}
    },
    "ignore": [
        "lm_head",
        "*embed_vision*",
        "*mlp*",
        "*router*",
        "*self_attn*",
        "*self_conditioning*",
        "*vision_tower*",
    ],
    "kv_cache_scheme": {"dynamic": False, "num_bits": 8, "type": "float"},
}
OLD_MODELOPT = {
    "producer": {"name": "modelopt", "version": "0.45.0"},
    "quantization": {
        "quant_algo": "NVFP4",
        "kv_cache_quant_algo": "FP8",
        "group_size": 16,
        "exclude_modules": ["*mlp*"],
    },
}
INT4 = claim("pack-quantized", 4, "int", "group", 32)
DIALECTS = {
    "fp8 per channel": Dialect(fp8, claim("float-quantized", 8, "float", "channel")),
    "fp8 per tensor": Dialect(fp8_per_tensor, claim("float-quantized", 8, "float", "tensor")),
    "int4 g32, all in float16": Dialect(
        lambda weight: int4(weight, 32, torch.float16), INT4, (ATTENTION, EXPERTS), torch.float16
    ),
    "int4 g32": Dialect(int4, INT4),
    "int4 g64": Dialect(lambda weight: int4(weight, 64), claim("pack-quantized", 4, "int", "group", 64)),
    "int4 g32, asymmetric": Dialect(
        int4_asymmetric, claim("pack-quantized", 4, "int", "group", 32, symmetric=False, actorder="group")
    ),
    "nvfp4 of compressed-tensors": Dialect(
        lambda weight: nvfp4(weight, divides=True), claim("nvfp4-pack-quantized", 4, "float", "tensor_group", 16)
    ),
    "nvfp4 of modelopt": Dialect(lambda weight: nvfp4(weight, divides=False), MODELOPT, (EXPERTS,)),
    "nvfp4 of modelopt, claimed in a file": Dialect(
        lambda weight: nvfp4(weight, divides=False), {}, (EXPERTS,), file=OLD_MODELOPT
    ),
    "mxfp4": Dialect(mxfp4, claim("mxfp4-pack-quantized", 4, "float", "group", 32)),
}


def plain(directory: Path, seed: int = 0, strength: float = 0.3, **changes: Any) -> Path:
    """A checkpoint in float32."""
    tiny.reference(seed, 8, strength, **(SHAPE | changes)).save_pretrained(directory)
    return directory


def pack(source: Path, directory: Path, dialect: Dialect) -> Path:
    """A checkpoint in a dialect, and beside it, in `directory / "float32"`, the same weights dequantized."""
    (directory / "float32").mkdir(parents=True)
    stored: dict[str, Tensor] = {}
    floats: dict[str, Tensor] = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        if not any(re.fullmatch(target, name.removesuffix(".weight")) for target in dialect.targets):
            stored[name] = tensor.to(dialect.leftovers)
            floats[name] = stored[name].float()
            continue
        exact = []
        for module, matrix in _matrices(name, tensor.double()):
            packed, weights = dialect.pack(matrix)
            stored |= {f"{module}.{suffix}": part.contiguous() for suffix, part in packed.items()}
            exact.append(weights)
        floats[name] = torch.cat(exact).float().view(tensor.shape)
    save_file(stored, directory / "model.safetensors")
    save_file(floats, directory / "float32" / "model.safetensors")
    shutil.copy(source / "config.json", directory / "float32" / "config.json")
    claims = {"quantization_config": dict(dialect.config)} if dialect.config else {}
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps(config | claims), encoding="utf-8")
    if dialect.file:
        (directory / "hf_quant_config.json").write_text(json.dumps(dialect.file), encoding="utf-8")
    return directory


def _matrices(name: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    """The modules that a stored tensor's matrices have in a quantized checkpoint: experts stand one by one."""
    bank = name.rpartition(".")[0]
    if tensor.dim() == 2:
        return [(name.removesuffix(".weight"), tensor)]
    if name.endswith("down_proj"):
        return [(f"{bank}.{expert}.down_proj", matrix) for expert, matrix in enumerate(tensor)]
    halves = [(expert, *matrix.chunk(2)) for expert, matrix in enumerate(tensor)]
    return [
        (f"{bank}.{expert}.{part}_proj", half)
        for expert, gate, up in halves
        for part, half in (("gate", gate), ("up", up))
    ]


def write_index(directory: Path, files: Mapping[str, str]) -> None:
    """The index of shards, by the file that each tensor lies in."""
    content = {"metadata": {}, "weight_map": dict(files)}
    (directory / "model.safetensors.index.json").write_text(json.dumps(content), encoding="utf-8")
