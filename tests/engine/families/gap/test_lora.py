"""An adapter's merging: what the formula says, on the device where the base is."""

from __future__ import annotations

from dataclasses import replace

import torch

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap.lora import Adapter, peft_name
from lacuna.engine.layers.packed_linear import DecodedLinear
from lacuna.engine.layers.quantized.fp8 import Fp8

RUNTIME = Runtime("cpu", "float32", 0, "tests")
CONFIG = {"r": 2, "lora_alpha": 4, "target_modules": ["up_proj"]}


def adapter() -> Adapter:
    chance = torch.Generator().manual_seed(0)
    shapes = {"A": (2, 6), "B": (5, 2)}
    tensors = {peft_name("3.mlp.up_proj", side): torch.randn(*shapes[side], generator=chance) for side in "AB"}
    return Adapter(CONFIG, tensors)


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
