"""`lacuna quantize` on the bases of the gap family: what comes of it loads, with its adapter, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command import lacuna
from filelock import FileLock
from packed_gap_model import GAP, WRITERS, loaded, log_probs
from safetensors.torch import load_file, save_file
from test_quantize import dequantized, quiet, tensors

from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import lora
from lacuna.engine.quantize.run import REPORT, Options, quantize
from lacuna.engine.quantize.sources import QuantizeError
from lacuna.engine.quantize.unfinished import LOCK, check_room
from lacuna.engine.train import frozen
from lacuna.engine.untrusted.load_error import LoadError

KINDS = {"int4": torch.int32, "nvfp4": torch.uint8, "fp8": torch.float8_e4m3fn}
LEFT = ("embed_tokens.weight", "norm.weight", "layernorm.weight", "lm_head.weight", ".bias")


@pytest.fixture(params=WRITERS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / "source")


@pytest.mark.parametrize("recipe", KINDS)
def test_what_is_written_loads_and_says_what_it_stores(source: Path, tmp_path: Path, recipe: str) -> None:
    target = tmp_path / "out"
    errors = quantize(source, target, Options(recipe), quiet, source)
    stored, original = tensors(target), load_file(source / "model.safetensors")
    for name, tensor in original.items():
        if name.endswith(LEFT):
            assert torch.equal(stored[name], tensor), name
        else:
            suffix = "" if recipe == "fp8" else "_packed"
            assert stored[f"{name}{suffix}"].dtype == KINDS[recipe], name
    exact = dequantized(target, source, tmp_path / "floats")
    for name in ("tokenizer.json", lora.CONFIG, lora.FILE):
        shutil.copy(source / name, exact)
    found, expected = loaded(target), loaded(exact)
    assert (log_probs(found, adapted=True) - log_probs(expected, adapted=True)).abs().max() < 2e-4
    assert [fill.text for fill in found.infill(GAP)] == [fill.text for fill in expected.infill(GAP)]
    assert list(errors) == [f"layers.{layer}.{part}" for layer in range(2) for part in ("mlp", "self_attn")]
    assert all(0.01 < error < (0.04 if recipe == "fp8" else 0.1) for error in errors.values())


def test_what_lies_in_the_directory(source: Path, tmp_path: Path) -> None:
    """An adapter in a room of its own: beside the weights, PEFT would take the directory for one of its own."""
    quantize(source, tmp_path / "out", Options("int4"), quiet, source)
    written = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file()}
    adapter = {f"adapter/{name}" for name in (lora.CONFIG, lora.FILE)}
    weights = {"model-00001-of-00001.safetensors", "model.safetensors.index.json"}
    assert written == {"config.json", "tokenizer.json", REPORT} | adapter | weights
    assert (tmp_path / "out" / "adapter" / lora.FILE).read_bytes() == (source / lora.FILE).read_bytes()
    config, before = (json.loads((place / "config.json").read_text()) for place in (tmp_path / "out", source))
    claimed = config.pop("quantization_config")
    assert config == before
    [group] = claimed["config_groups"].values()
    assert (group["targets"], claimed["ignore"], claimed["format"]) == (["Linear"], ["lm_head"], "pack-quantized")


def test_of_shards_and_in_shards(source: Path, tmp_path: Path) -> None:
    stored = load_file(source / "model.safetensors")
    sharded = tmp_path / "sharded"
    shutil.copytree(source, sharded, ignore=shutil.ignore_patterns("model.safetensors"))
    files = {name: f"model-{at % 3}.safetensors" for at, name in enumerate(stored)}
    for file in set(files.values()):
        save_file({name: tensor for name, tensor in stored.items() if files[name] == file}, sharded / file)
    index = {"metadata": {}, "weight_map": files}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    quantize(source, tmp_path / "one", Options("int4"), quiet)
    quantize(sharded, tmp_path / "many", Options("int4", shard_bytes=20_000), quiet)
    one, many = tensors(tmp_path / "one"), tensors(tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 3
    assert one.keys() == many.keys() and all(torch.equal(one[name], many[name]) for name in one)


def changed(source: Path, change: Callable[[dict[str, torch.Tensor]], None], **config: object) -> Path:
    stored = load_file(source / "model.safetensors")
    change(stored)
    save_file(stored, source / "model.safetensors")
    said = json.loads((source / "config.json").read_text()) | config
    (source / "config.json").write_text(json.dumps(said))
    return source


def test_rows_that_are_no_whole_groups_are_named_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    def narrow(stored: dict[str, torch.Tensor]) -> None:
        for layer in range(2):
            for name in ("gate", "up"):
                key = f"model.layers.{layer}.mlp.{name}_proj.weight"
                stored[key] = stored[key][:100].clone()
            key = f"model.layers.{layer}.mlp.down_proj.weight"
            stored[key] = stored[key][:, :100].clone()

    changed(source, narrow, intermediate_size=100)
    for recipe, group in (("int4", 32), ("nvfp4", 16)):
        with pytest.raises(QuantizeError, match=rf"down_proj.*rows of 100 .* groups of {group}: choose fp8"):
            quantize(source, tmp_path / "out", Options(recipe), quiet)
    assert [place.name for place in tmp_path.iterdir()] == ["source"]
    quantize(source, tmp_path / "out", Options("fp8"), quiet, source)
    assert loaded(tmp_path / "out").infill(GAP)


def test_a_weight_that_is_not_finite_is_named_and_nothing_is_there(source: Path, tmp_path: Path) -> None:
    def spoil(stored: dict[str, torch.Tensor]) -> None:
        stored["model.layers.1.self_attn.k_proj.weight"][3, 7] = torch.inf

    changed(source, spoil)
    with pytest.raises(QuantizeError, match=r"layers\.1\.self_attn\.k_proj holds a weight that is not finite"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    assert not (tmp_path / "out").exists()


def test_a_source_that_changes_meanwhile(source: Path, tmp_path: Path) -> None:
    def touch(done: int, total: int) -> None:
        if done == 5:
            changed(source, lambda stored: None, rms_norm_eps=1e-3)

    with pytest.raises(QuantizeError, match=r"source has changed meanwhile: remove .*out\.unfinished"):
        quantize(source, tmp_path / "out", Options("int4"), touch)
    with pytest.raises(QuantizeError, match="begun from other weights"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    assert not (tmp_path / "out").exists()


def test_one_run_at_a_time(source: Path, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(QuantizeError, match="another run writes to"):
            quantize(source, tmp_path / "out", Options("int4"), quiet)

    quantize(source, tmp_path / "out", Options("int4"), second)
    assert not (tmp_path / "out" / LOCK).exists()
    with FileLock(tmp_path / "free.lock", blocking=False):  # what a run holds is given back
        quantize(source, tmp_path / "again", Options("int4"), quiet)


def test_no_room(tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match=r"GB of room, and 1000000000\.00 GB are needed: make room"):
        check_room(tmp_path / "out", 10**18)


def test_what_cannot_be_quantized(source: Path, tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match="has no experts: quantize it to int4, nvfp4, fp8"):
        quantize(source, tmp_path / "out", Options("int4-experts"), quiet)
    quantize(source, tmp_path / "once", Options("fp8"), quiet)
    with pytest.raises(QuantizeError, match=r"quantized already \(float-quantized\): take the original"):
        quantize(tmp_path / "once", tmp_path / "twice", Options("int4"), quiet)
    (source / "model.safetensors").rename(source / "model.gguf")
    with pytest.raises(QuantizeError, match=r"model\.gguf is GGUF, and only safetensors"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    (source / "model.gguf").unlink()
    with pytest.raises(LoadError, match=r"neither model\.safetensors nor"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    assert not (tmp_path / "out.unfinished").exists()


def test_no_adapter_is_trained_on_quantized_weights(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "out", Options("fp8"), quiet)
    with pytest.raises(LoadError, match="is quantized, and adapters are trained on floats: take the original"):
        frozen.load(str(tmp_path / "out"), Runtime("cpu", "float32", 0, "tests"))


STOPPED = """
import os, signal, sys
from pathlib import Path
from lacuna.engine.quantize.run import Options, quantize
def stop(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
quantize(Path(sys.argv[1]), Path(sys.argv[2]), Options("int4", shard_bytes=20_000), stop)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
def test_a_run_that_is_killed_leaves_nothing_that_loads_and_goes_on(source: Path, tmp_path: Path) -> None:
    options = Options("int4", shard_bytes=20_000)
    quantize(source, tmp_path / "whole", options, quiet)
    for matrix in (1, 9, 20):
        command = [sys.executable, "-c", STOPPED, str(source), str(tmp_path / "out"), str(matrix)]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        assert not (tmp_path / "out").exists() and not (tmp_path / "out.unfinished" / "config.json").exists()
    quantize(source, tmp_path / "out", options, quiet)
    found, expected = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("out", "whole")
    )
    assert found == expected


def test_the_command(source: Path, tmp_path: Path) -> None:
    """From a directory to one that the next command fills gaps with."""
    target = tmp_path / "out"
    done = lacuna("quantize", str(source), str(target), "--fast")
    assert (done.returncode, done.stderr) == (0, "Quantizing\n")
    report = json.loads(lacuna("doctor", "--json", "--model", str(target), "--dtype", "float32").stdout)
    assert (report["memory"]["formats"], report["problems"]) == (["pack-quantized in groups of 32"], [])
    assert str(target / "adapter") in report["adapter"]
