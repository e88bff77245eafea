"""The gap family on packed checkpoints: their dequantized weights decide what it says, with the adapter beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import packed_checkpoints as packed
import pytest
import torch
from packed_gap_model import GAP, WRITERS, loaded, log_probs
from safetensors.torch import load_file, save_file

from lacuna.engine import load
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.layers import int8_linear
from lacuna.engine.layers.int8_linear import Int8Linear
from lacuna.engine.untrusted.load_error import LoadError

KINDS = ("fp8 per channel", "int4 g32", "int4 g64", "int4 g32, asymmetric", "nvfp4 of compressed-tensors", "mxfp4")


def made(directory: Path, layout: str, kind: str = "int4 g32") -> Path:
    """A packed checkpoint with tokenizer and adapter; in `directory`/float32 the same one dequantized."""
    source = WRITERS[layout](directory.with_name(f"{directory.name}-source"))
    packed.pack(source, directory, packed.DIALECTS[kind])
    for target in (directory, directory / "float32"):
        for name in ("tokenizer.json", "adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(source / name, target / name)
    return directory


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_its_dequantized_weights_say(tmp_path: Path, layout: str, kind: str) -> None:
    directory = made(tmp_path / "packed", layout, kind)
    found, exact = loaded(directory), loaded(directory / "float32")
    for adapted in (False, True):
        difference = (log_probs(found, adapted=adapted) - log_probs(exact, adapted=adapted)).abs().max()
        assert difference < 2e-4, (adapted, difference)
    assert [fill.text for fill in found.infill(GAP)] == [fill.text for fill in exact.infill(GAP)]


@pytest.mark.parametrize("layout", WRITERS)
def test_in_bfloat16_it_rounds_hardly_more_than_floats_do(tmp_path: Path, layout: str) -> None:
    """There torch's int4 product multiplies; what the adapter adds is rounded on its own. Where a CPU multiplies
    bfloat16 itself the floats round less: 2.1 times was measured (Zen 4), elsewhere less than 1.5."""
    directory = made(tmp_path / "packed", layout)
    for adapted in (False, True):
        exact = log_probs(loaded(directory / "float32"), adapted=adapted)
        rounded = (log_probs(loaded(directory / "float32", "bfloat16"), adapted=adapted) - exact).abs().mean()
        assert (log_probs(loaded(directory, "bfloat16"), adapted=adapted) - exact).abs().mean() < 3.0 * rounded


@pytest.mark.skipif(not int8_linear.is_fast(), reason="this CPU or this torch lacks FBGEMM's kernels")
def test_in_8_bits_packed_weights_become_8_bits(tmp_path: Path) -> None:
    """The same 8 bits as of the dequantized weights, the adapter merged: one product instead of three."""
    directory = made(tmp_path / "packed", "FIM")
    found = loaded(directory, "int8")
    assert isinstance(found.denoiser.base.layers[0].down_proj, Int8Linear)
    assert torch.equal(log_probs(found, adapted=True), log_probs(loaded(directory / "float32", "int8"), adapted=True))
    needed = load.needed(str(directory), Runtime("cpu", "int8", 1, "tests"))
    assert needed.formats == () and "in 8 bits" in needed.products


def test_memory_counts_packed_bytes(tmp_path: Path) -> None:
    directory = made(tmp_path / "packed", "FIM")
    runtime = Runtime("cpu", "bfloat16", 1, "tests")
    found, floats = load.needed(str(directory), runtime), load.needed(str(directory / "float32"), runtime)
    matrices = 2 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128)  # of two layers
    factors = 2 * 4 * (64 + 64 + 64 + 32) * 2  # of queries and values, in bfloat16
    norm = 64 * 2  # the last one, which is not counted of floats
    assert floats.weights - found.weights == matrices * 2 - matrices * 5 // 8 - factors - norm
    assert found.formats == ("pack-quantized in groups of 32",)
    assert "torch's int4 product" in found.products and floats.products == ""


def test_what_is_packed_otherwise_is_refused_by_name(tmp_path: Path) -> None:
    directory = made(tmp_path / "packed", "FIM")
    config = json.loads((directory / "config.json").read_text())
    claims = [
        ({"quant_method": "gptq", "bits": 4}, "quant_method 'gptq' is not supported"),
        (config["quantization_config"] | {"format": "int-quantized"}, "format 'int-quantized' is not supported"),
        (config["quantization_config"] | {"ignore": ["re:.*down_proj"]}, "is quantized in the files"),
    ]
    for claim, message in claims:
        claim.get("config_groups", {}).get("group_0", {}).pop("format", None)
        (directory / "config.json").write_text(json.dumps(config | {"quantization_config": claim}))
        for work in (load.load, load.needed):
            with pytest.raises(LoadError, match=message):
                work(str(directory), Runtime("cpu", "float32", 1, "tests"))


def test_what_no_codec_reads_is_refused_by_name(tmp_path: Path) -> None:
    directory = made(tmp_path / "packed", "FIM")
    stored = load_file(directory / "model.safetensors")
    stored["lm_head.weight_packed"] = stored.pop("lm_head.weight").to(torch.int32)
    stored["model.layers.1.mlp.up_proj.weight"] = torch.ones(128, 64, dtype=torch.int8)
    for suffix in ("packed", "scale", "shape"):
        del stored[f"model.layers.1.mlp.up_proj.weight_{suffix}"]
    save_file(stored, directory / "model.safetensors")
    with pytest.raises(LoadError) as refused:
        loaded(directory)
    assert "up_proj.weight: holds I8, which no codec here reads" in str(refused.value)
    assert "lm_head.weight_packed: its weight: missing" in str(refused.value)
