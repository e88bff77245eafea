"""Loading a DiffusionGemma: shards, what is wrong by name, vision weights, memory."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_diffusion_gemma as tiny
import torch
from safetensors.torch import load_file, save_file
from tiny_diffusion_gemma import one_thread, published_config  # noqa: F401 (one is a fixture)

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.families.diffusion_gemma.memory import estimate
from lacuna.engine.layers.weight_files import WeightsError

PUBLISHED = published_config()
LOAD = """
import resource, sys
from pathlib import Path
import torch
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
torch.randn(64, 64) @ torch.randn(64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = checkpoint.load(Path(sys.argv[1]), Runtime("cpu", "float32", 1, "test"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tiny.reference(0, 8).save_pretrained(tmp_path)
    return tmp_path


@torch.inference_mode()
def logits(directory: Path, dtype: str = "float32") -> torch.Tensor:
    model = checkpoint.load(directory, Runtime("cpu", dtype, 0, "tests"))
    cache = model.cache()
    model.encode(tiny.prompt(0, 1, 20), cache)
    return model.logits(model.denoise(tiny.prompt(1, 1, tiny.CANVAS), cache))


def test_shards_give_the_same_model(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sharded = tmp_path_factory.mktemp("sharded")
    tiny.reference(0, 8).save_pretrained(sharded, max_shard_size="20KB")
    assert len(list(sharded.glob("*.safetensors"))) > 3
    assert (logits(sharded) - logits(directory)).abs().max() < 1e-4


def test_bfloat16(directory: Path) -> None:
    exact, rounded = logits(directory), logits(directory, "bfloat16")
    assert rounded.isfinite().all()
    assert (rounded.argmax(-1) == exact.argmax(-1)).float().mean() > 0.5


def test_vision_is_skipped_with_one_line(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lacuna.engine"):
        logits(directory)
    assert [record for record in caplog.records if "vision" in record.message] == caplog.records
    assert len(caplog.records) == 1


def test_every_wrong_tensor_is_named(directory: Path) -> None:
    file = directory / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.decoder.layers.1.router.scale"]
    tensors["model.decoder.norm.weight"] = torch.ones(5)
    tensors["model.decoder.surprise"] = torch.ones(1)
    save_file(tensors, file)
    with pytest.raises(WeightsError) as refusal:
        logits(directory)
    for word in ("layers.1.router.scale: missing", "norm.weight: expected [32], found [5]", "surprise: not expected"):
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("attention_bias", True), ("hidden_activation", "silu"), ("layer_types", []), ("num_experts", None)],
)
def test_another_architecture_is_refused(directory: Path, key: str, value: object) -> None:
    file = directory / "config.json"
    config = json.loads(file.read_text())
    config["text_config"][key] = value
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=key):
        logits(directory)


def test_the_published_shape() -> None:
    config = DiffusionGemmaConfig.from_hf(PUBLISHED)
    assert (config.full.head_dim, config.full.num_key_value_heads, config.full.rotated) == (512, 2, 128)
    assert [layer for layer in range(30) if not config.is_sliding[layer]] == [5, 11, 17, 23, 29]
    assert "model.decoder.layers.5.self_attn.v_proj.weight" not in config.shapes()
    assert config.shapes()["model.decoder.layers.0.experts.gate_up_proj"] == (128, 1408, 2816)


def test_full_layers_may_have_the_heads_of_the_sliding_ones(tmp_path: Path) -> None:
    tiny.reference(0, 8, global_head_dim=8, num_global_key_value_heads=2).save_pretrained(tmp_path)
    config = DiffusionGemmaConfig.from_hf(json.loads((tmp_path / "config.json").read_text()))
    assert (config.full.head_dim, config.full.num_key_value_heads) == (8, 2)
    assert logits(tmp_path).isfinite().all()


def test_memory_of_the_published_model() -> None:
    memory = estimate(DiffusionGemmaConfig.from_hf(PUBLISHED), element_size=2, context=8192)
    assert 50.0e9 < memory.weights < 51.0e9  # 51.65 GB with the vision tower
    assert 0.5e9 < memory.cache < 0.8e9
    assert memory.total == memory.weights + memory.cache + memory.activations


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kibibytes on Linux")
def test_peak_memory_is_the_model_and_a_layer(tmp_path: Path) -> None:
    """One tensor at a time: beside the model there are the head's packed copy and the layer that is being built."""
    model = tiny.reference(0, 8, hidden_size=256, moe_intermediate_size=512, num_experts=16)
    model.to(torch.bfloat16).save_pretrained(tmp_path, max_shard_size="8MB")
    whole = 4 * sum(parameter.numel() for parameter in model.model.decoder.parameters())
    run = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=True)
    assert 1024 * int(run.stdout) < 1.3 * whole + 16e6
