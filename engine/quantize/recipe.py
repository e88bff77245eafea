"""Which weights become what, and what config.json says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INT4, NVFP4, FP8 = "int4", "nvfp4", "fp8"
EXPERTS = re.compile(r".*\.experts\.(gate_up|down)_proj")
DENSE = re.compile(r".*\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.weight")
# Left as they are: a router's choice hangs on small differences, and what self-conditioning adds goes into every layer.
LEFT = ["re:.*router.*", "re:.*self_conditioning.*", "re:.*vision_tower.*", "re:.*embed_vision.*", "lm_head"]


@dataclass(frozen=True)
class Recipe:
    """What experts, and what attention and the dense blocks become: INT4, NVFP4, FP8, or "" for what they are."""

    experts: str
    dense: str

    def of(self, weight: str) -> str:
        """What a model's weight becomes."""
        if EXPERTS.fullmatch(weight):
            return self.experts
        return self.dense if DENSE.fullmatch(weight) else ""

    def config(self) -> dict[str, Any]:
        """The quantization_config of compressed-tensors."""
        targets = {
            "experts": (self.experts, r"re:.*experts.*(gate|up|down)_proj$"),
            "dense": (self.dense, r"re:.*(self_attn|mlp)\..*_proj$"),
        }
        groups = [_group(kind, target) for kind, target in targets.values() if kind]
        formats = {group["format"] for group in groups}
        left = LEFT if self.dense else [r"re:.*self_attn.*", r"re:.*mlp\..*", *LEFT]
        return {
            "quant_method": "compressed-tensors",
            "format": formats.pop() if len(formats) == 1 else "mixed-precision",
            "quantization_status": "compressed",
            "config_groups": {f"group_{number}": group for number, group in enumerate(groups)},
            "ignore": left,
            "kv_cache_scheme": None,
        }


RECIPES: Mapping[str, Recipe] = {
    INT4: Recipe(INT4, FP8),  # of the published model 16.0 GB without vision
    "int4-experts": Recipe(INT4, ""),  # one format: for engines that read no mixed checkpoints; 17.7 GB
    NVFP4: Recipe(NVFP4, FP8),  # 16.0 GB
    FP8: Recipe(FP8, FP8),  # 26.1 GB
}


def _group(kind: str, target: str) -> dict[str, Any]:
    if kind == INT4:
        weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
        return _said("pack-quantized", target, weights, None)
    if kind == NVFP4:
        weights = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
        return _said("nvfp4-pack-quantized", target, weights, None)
    weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
    activations = {"num_bits": 8, "type": "float", "strategy": "token", "symmetric": True, "dynamic": True}
    return _said("float-quantized", target, weights, activations)


def _said(format: str, target: str, weights: dict[str, Any], activations: dict[str, Any] | None) -> dict[str, Any]:
    weights = weights | {"symmetric": True, "dynamic": False}
    return {"targets": [target], "weights": weights, "input_activations": activations, "format": format}
