"""What becomes what: a quantizer for each kind of weights, and the claim that other engines read it by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.quantize import masked

INT4, NVFP4, FP8 = "int4", "nvfp4", "fp8"
EXPERTS_ALONE = "int4-experts"


@dataclass(frozen=True)
class Group:
    """Matrices that become the same."""

    kind: str  # INT4, NVFP4 or FP8
    weights: re.Pattern[str]  # whole names, as the model has them
    target: str  # their modules, as compressed-tensors is told: a class, or an expression


@dataclass(frozen=True)
class Recipe:
    groups: tuple[Group, ...]
    ignore: tuple[str, ...]  # modules that targets would match and that stay as they are

    def of(self, weight: str) -> str:
        """What a model's weight becomes; "" for what it is."""
        return next((group.kind for group in self.groups if group.weights.fullmatch(weight)), "")

    def config(self) -> dict[str, Any]:
        """The quantization_config of compressed-tensors."""
        groups = [_claim(group) for group in self.groups]
        formats = {group["format"] for group in groups}
        return {
            "quant_method": "compressed-tensors",
            "format": formats.pop() if len(formats) == 1 else "mixed-precision",
            "quantization_status": "compressed",
            "config_groups": {f"group_{number}": group for number, group in enumerate(groups)},
            "ignore": list(self.ignore),
            "kv_cache_scheme": None,
        }


_EXPERTS = re.compile(r".*\.experts\.(gate_up|down)_proj")
_DENSE = re.compile(r".*\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.weight")
# Left as they are: a router's choice hangs on small differences, and what self-conditioning adds goes into every layer.
_LEFT = ("re:.*router.*", "re:.*self_conditioning.*", "re:.*vision_tower.*", "re:.*embed_vision.*", "lm_head")


def _mixture(experts: str, dense: str) -> Recipe:
    """Of a mixture of experts; `dense`, attention and the blocks beside the experts, may be "" for what it is."""
    routed = Group(experts, _EXPERTS, r"re:.*experts.*(gate|up|down)_proj$")
    if not dense:
        return Recipe((routed,), (r"re:.*self_attn.*", r"re:.*mlp\..*", *_LEFT))
    return Recipe((routed, Group(dense, _DENSE, r"re:.*(self_attn|mlp)\..*_proj$")), _LEFT)


def _decoder(kind: str, head: str) -> Recipe:
    """Of a decoder without experts: all projections of all layers. Tokens' matrices stay as they are; `head` is that
    module's name in the files."""
    return Recipe((Group(kind, _DENSE, "Linear"),), (head,))


DIFFUSION_GEMMA: Mapping[str, Recipe] = {
    INT4: _mixture(INT4, FP8),  # of the published model 16.0 GB without vision
    EXPERTS_ALONE: _mixture(INT4, ""),  # one format: for engines that read no mixed checkpoints; 17.7 GB
    NVFP4: _mixture(NVFP4, FP8),  # 16.0 GB
    FP8: _mixture(FP8, FP8),  # 26.1 GB
}
DECODER: Mapping[str, Recipe] = {kind: _decoder(kind, "lm_head") for kind in (INT4, NVFP4, FP8)}
LLADA: Mapping[str, Recipe] = {kind: _decoder(kind, masked.LLADA_HEAD) for kind in DECODER}
NAMES = tuple(DIFFUSION_GEMMA)


def _claim(group: Group) -> dict[str, Any]:
    if group.kind == INT4:
        weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
        return _said("pack-quantized", group.target, weights, None)
    if group.kind == NVFP4:
        weights = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
        return _said("nvfp4-pack-quantized", group.target, weights, None)
    weights = {"num_bits": 8, "type": "float", "strategy": "channel"}
    activations = {"num_bits": 8, "type": "float", "strategy": "token", "symmetric": True, "dynamic": True}
    return _said("float-quantized", group.target, weights, activations)


def _said(format: str, target: str, weights: dict[str, Any], activations: dict[str, Any] | None) -> dict[str, Any]:
    weights = weights | {"symmetric": True, "dynamic": False}
    return {"targets": [target], "weights": weights, "input_activations": activations, "format": format}
