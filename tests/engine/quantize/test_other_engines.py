"""What we write is read by transformers with the package compressed-tensors, and what that writes is read by us.

Both ways over a whole model: the other side's own code packs, or unpacks, and computes the logits. With versions 5.23.0
and 0.20.1 those of INT4 and FP8 are the same to the order of sums; NVFP4 it decodes in bfloat16.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_quantize import quiet
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from lacuna.engine.families.gap import loading
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects.reading import read
from lacuna.engine.quantize.run import Options, quantize

pytest.importorskip("compressed_tensors", reason="`make setup` installs it")

from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import (
    QuantizationConfig,
    apply_quantization_config,
    disable_quantization,
    fake_quantize,
)
from compressed_tensors.quantization.utils import calculate_qparams

FAMILIES = {"qwen2": (Qwen2ForCausalLM, Qwen2Config), "llama": (LlamaForCausalLM, LlamaConfig)}
IDS = torch.arange(3, 43)[None]


def made(family: str, directory: Path, tied: bool = False) -> Any:
    """A random model of the reference implementation, saved."""
    torch.manual_seed(0)
    model_class, config_class = FAMILIES[family]
    heads = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = config_class(vocab_size=96, hidden_size=128, intermediate_size=256, tie_word_embeddings=tied, **heads)
    model = model_class(config).eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.normal_(0, 0.15) if tensor.dim() > 1 else tensor.uniform_(0.5, 1.5)
    model.save_pretrained(directory)
    return model


def decoded(directory: Path) -> dict[str, torch.Tensor]:
    """All weights as we read them, in float32."""
    plan = loading.planned(directory, loading.read_config(directory))
    found = read(weight_files.source(directory), plan, "cpu", torch.float32)
    return {
        name: weight if isinstance(weight, torch.Tensor) else weight.decode(torch.float32) for name, weight in found
    }


def in_floats(family: str, source: Any, weights: dict[str, torch.Tensor]) -> Any:
    """A model of the reference implementation with these weights."""
    model = FAMILIES[family][0](source.config).eval()
    missing, extra = model.load_state_dict(weights, strict=False)
    assert not extra and set(missing) <= {"lm_head.weight"}
    return model


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    """Without the quantization of activations that FP8 asks for: what is compared are weights."""
    return model.apply(disable_quantization)(IDS.to(model.device)).logits.float()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("recipe", ["int4", "fp8", "nvfp4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_other_engine_computes_what_our_weights_say(tmp_path: Path, family: str, recipe: str, tied: bool) -> None:
    """It decodes INT4 and FP8 to the same numbers; NVFP4 it decodes in bfloat16 alone."""
    source = made(family, tmp_path / "source", tied)
    quantize(tmp_path / "source", tmp_path / "out", Options(recipe), quiet)
    dtype = torch.bfloat16 if recipe == "nvfp4" else torch.float32
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=dtype).eval()
    ours, found = in_floats(family, source, decoded(tmp_path / "out")), logits(theirs)  # which decodes its weights
    for name, tensor in ours.state_dict().items():
        difference = (theirs.get_parameter(name).float() - tensor).abs()
        assert (difference <= (2.0**-7 * tensor.abs() if recipe == "nvfp4" else 1e-6)).all(), name
    exact = logits(ours.to(dtype))
    size = exact.abs().mean()
    assert (found - exact).abs().mean() < (0.03 if recipe == "nvfp4" else 1e-5) * size
    assert (logits(source) - exact).abs().mean() > 0.05 * size


def claim(bits: int, kind: str, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": {"num_bits": bits, "type": kind, "dynamic": False, **weights}}
    return {"config_groups": {"group_0": group}, "ignore": ["lm_head"], "quant_method": "compressed-tensors"}


WRITTEN = {
    "int4 g128": ("pack-quantized", claim(4, "int", strategy="group", group_size=128, symmetric=True)),
    "int4 g128, asymmetric": ("pack-quantized", claim(4, "int", strategy="group", group_size=128, symmetric=False)),
    "int4 g32, asymmetric": ("pack-quantized", claim(4, "int", strategy="group", group_size=32, symmetric=False)),
    "fp8": ("float-quantized", claim(8, "float", strategy="channel", symmetric=True)),
}


@torch.no_grad()
def written(model: Any, directory: Path, kind: str, claimed: dict[str, Any]) -> torch.Tensor:
    """A checkpoint by the other side's code, and the logits of the weights that it makes of the model's."""
    config = QuantizationConfig(**claimed, format=kind)
    apply_quantization_config(model, config)
    for module in model.modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is None:
            continue
        groups = module.weight.unflatten(1, (-1, scheme.weights.group_size or module.weight.shape[1]))
        scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), scheme.weights)
        module.weight.copy_(fake_quantize(module.weight, scale, zero, scheme.weights))
        module.weight_scale.copy_(scale)
        if not scheme.weights.symmetric:
            module.weight_zero_point.copy_(zero)
    said = logits(model)
    ModelCompressor(quantization_config=config).compress_model(model)
    model.save_pretrained(directory)
    content = json.loads((directory / "config.json").read_text())
    content["quantization_config"] = claimed | {"format": kind, "quantization_status": "compressed"}
    (directory / "config.json").write_text(json.dumps(content))
    return said


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("family", FAMILIES)
def test_we_read_what_the_other_side_writes(tmp_path: Path, family: str, kind: str) -> None:
    """With zero points too, whose checkpoints transformers 5.23 does not load again."""
    source = made(family, tmp_path / "source")
    before = logits(source)
    exact = written(made(family, tmp_path / "again"), tmp_path / "out", *WRITTEN[kind])
    found = logits(in_floats(family, source, decoded(tmp_path / "out")))
    size = exact.abs().mean()
    assert (found - exact).abs().mean() < 1e-5 * size
    assert 0.01 * size < (before - exact).abs().mean() < 0.8 * size
