"""An adapter's merging: what the formula says, on the device where the base is."""

from __future__ import annotations

import torch

from lacuna.engine.families.gap.lora import Adapter, peft_name

CONFIG = {"r": 2, "lora_alpha": 4, "target_modules": ["up_proj"]}


def adapter() -> Adapter:
    chance = torch.Generator().manual_seed(0)
    shapes = {"A": (2, 6), "B": (5, 2)}
    tensors = {peft_name("3.mlp.up_proj", side): torch.randn(*shapes[side], generator=chance) for side in "AB"}
    return Adapter(CONFIG, tensors)


def test_the_factors_product_is_added() -> None:
    base = {"mlp.up_proj": torch.ones(5, 6), "mlp.down_proj": torch.ones(6, 5)}
    merged = adapter().merged(3, base)
    a, b = (adapter().tensors[peft_name("3.mlp.up_proj", side)] for side in "AB")
    torch.testing.assert_close(merged["mlp.up_proj"], 1.0 + 2.0 * b @ a)
    assert merged["mlp.down_proj"] is base["mlp.down_proj"]


def test_a_base_on_another_device_is_merged_there() -> None:
    """The factors are read to the CPU, wherever the base is; "meta" stands for a GPU: no arithmetic mixes devices."""
    base = {"mlp.up_proj": torch.ones(5, 6, device="meta", dtype=torch.bfloat16)}
    merged = adapter().merged(3, base)["mlp.up_proj"]
    assert (merged.device.type, merged.dtype) == ("meta", torch.bfloat16)
