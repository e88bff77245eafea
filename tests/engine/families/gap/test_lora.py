"""An adapter's merging: what the formula says, on the device where the base is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_model import write_tiny_fim_model

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.lora import Adapter, peft_name
from lacuna.engine.layers.packed_linear import DecodedLinear
from lacuna.engine.layers.quantized.fp8 import Fp8
from lacuna.engine.untrusted.load_error import LoadError

RUNTIME = Runtime("cpu", "float32", 0, "tests")
CONFIG = {"r": 2, "lora_alpha": 4, "target_modules": ["up_proj"]}


def adapter() -> Adapter:
    chance = torch.Generator().manual_seed(0)
    shapes = {"A": (2, 6), "B": (5, 2)}
    tensors = {peft_name("3.mlp.up_proj", side): torch.randn(*shapes[side], generator=chance) for side in "AB"}
    return Adapter(CONFIG, tensors)


def test_an_adapter_of_another_named_base_is_refused_though_its_shapes_fit(tmp_path: Path) -> None:
    write_tiny_fim_model(tmp_path)
    base, file = loading.read_config(tmp_path), tmp_path / "adapter_config.json"
    for made_for, model in (("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b"), ("somebody/else", "qwen2.5-coder-0.5b")):
        file.write_text(json.dumps({**json.loads(file.read_text()), lora.BASE: made_for}), encoding="utf-8")
        lora.load(tmp_path, base, model)
    file.write_text(json.dumps({**json.loads(file.read_text()), lora.BASE: "smollm2-135m"}), encoding="utf-8")
    with pytest.raises(LoadError, match=r"was made for smollm2-135m, the model is qwen2\.5-coder-0\.5b"):
        lora.load(tmp_path, base, "qwen2.5-coder-0.5b")


def test_the_factors_product_is_added() -> None:
    base = {"mlp.up_proj": torch.ones(5, 6), "mlp.down_proj": torch.ones(6, 5)}
    merged = adapter().merged(3, base, RUNTIME)
    a, b = (adapter().tensors[peft_name("3.mlp.up_proj", side)] for side in "AB")
    torch.testing.assert_close(merged["mlp.up_proj"], 1.0 + 2.0 * b @ a)
    assert merged["mlp.down_proj"] is base["mlp.down_proj"]


def test_a_base_on_another_device_is_merged_there() -> None:
    """The factors are read to the CPU, wherever the base is; "meta" stands for a GPU: no arithmetic mixes devices."""
    base = {"mlp.up_proj": torch.ones(5, 6, device="meta", dtype=torch.bfloat16)}
    merged = adapter().merged(3, base, replace(RUNTIME, device="meta"))["mlp.up_proj"]
    assert isinstance(merged, torch.Tensor)
    assert (merged.device.type, merged.dtype) == ("meta", torch.bfloat16)


def test_a_packed_base_has_the_factors_beside_it() -> None:
    codec = Fp8(torch.randn(5, 6).to(torch.float8_e4m3fn), torch.rand(5, 1))
    base = {"mlp.up_proj": DecodedLinear(codec)}
    adapted = adapter().merged(3, base, RUNTIME)["mlp.up_proj"]
    a, b = (adapter().tensors[peft_name("3.mlp.up_proj", side)] for side in "AB")
    x, other = torch.randn(4, 6), torch.randn(4, 5)
    assert not isinstance(adapted, torch.Tensor) and adapted.shape == (5, 6)
    expected = x @ (codec.decode(torch.float32) + 2.0 * b @ a).t()
    torch.testing.assert_close(adapted(x), expected)
    torch.testing.assert_close(adapted.plus(x, other), expected + other)
    torch.testing.assert_close(adapted.times(x, other), expected * other)
