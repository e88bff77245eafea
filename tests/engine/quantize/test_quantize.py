"""`lacuna quantize` on tiny checkpoints: what comes of it loads and computes what it stores; stops, and refusals."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import packed_checkpoints as packed
import pytest
import tiny_diffusion_gemma as tiny
import torch
from command import lacuna
from safetensors.torch import load_file, save_file
from test_quantizers import decoded
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)

from lacuna.engine import load as engine
from lacuna.engine.api import Gap
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.layers import weight_files
from lacuna.engine.layers.dialects.names import Place
from lacuna.engine.layers.dialects.translate import Plan
from lacuna.engine.layers.safetensors_file import Header
from lacuna.engine.quantize.jobs import jobs, shards
from lacuna.engine.quantize.quantizers import Quantized
from lacuna.engine.quantize.recipe import DIFFUSION_GEMMA
from lacuna.engine.quantize.run import REPORT, Options, quantize
from lacuna.engine.quantize.sources import QuantizeError
from lacuna.engine.untrusted.load_error import LoadError

RUNTIME = Runtime("cpu", "float32", 0, "tests")
SMALL = 60_000  # bytes of a shard: some ten of them
EXPERT = re.compile(r".*\.experts\.\d+\.(gate|up|down)_proj")
DENSE = re.compile(r".*\.layers\.\d+\.(self_attn|mlp)\.\w+_proj")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed.plain(tmp_path_factory.mktemp("source"))


def quiet(done: int, total: int) -> None:
    pass


@torch.inference_mode()
def logits(directory: Path) -> torch.Tensor:
    model = checkpoint.load(directory, RUNTIME)
    cache = model.cache()
    model.encode(tiny.prompt(0, 1, 20), cache)
    return model.logits(model.denoise(tiny.prompt(1, 1, tiny.CANVAS), cache))


def tensors(directory: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in weight_files.stream(directory)}


def dequantized(directory: Path, source: Path, target: Path) -> Path:
    """The weights that a quantized checkpoint stores, as floats under the source's names."""
    stored, original = tensors(directory), load_file(source / "model.safetensors")
    floats = {name: tensor for name, tensor in stored.items() if name in original and tensor.dtype == torch.float32}
    modules = {name.rpartition(".")[0] for name in stored if name.endswith("weight_scale")}
    for module in modules:
        found = {name.rpartition(".")[2]: stored[name] for name in stored if name.startswith(f"{module}.weight")}
        floats[f"{module}.weight"] = decoded(Quantized(found, 0, 0)).float()
    target.mkdir()
    save_file(floats, target / "model.safetensors")
    shutil.copy(source / "config.json", target / "config.json")
    return target


@pytest.mark.parametrize(
    ("recipe", "kinds"),
    [
        ("int4", (torch.int32, torch.float8_e4m3fn)),
        ("int4-experts", (torch.int32, torch.float32)),
        ("nvfp4", (torch.uint8, torch.float8_e4m3fn)),
        ("fp8", (torch.float8_e4m3fn,) * 2),
    ],
)
def test_what_is_written_loads_and_computes_what_it_stores(
    source: Path, tmp_path: Path, recipe: str, kinds: tuple[torch.dtype, torch.dtype]
) -> None:
    target = tmp_path / "out"
    quantize(source, target, Options(recipe, shard_bytes=SMALL), quiet)
    stored = tensors(target)
    for name, tensor in stored.items():
        module, _, suffix = name.rpartition(".")
        if suffix in ("weight", "weight_packed"):
            expected = kinds[0] if EXPERT.fullmatch(module) else kinds[1] if DENSE.fullmatch(module) else torch.float32
            assert tensor.dtype == expected, name
    exact = logits(dequantized(target, source, tmp_path / "floats"))
    assert (logits(target) - exact).abs().max() < 2e-4
    assert (exact - logits(source)).abs().max() > 0.01
    assert len(list(target.glob("*.safetensors"))) > 3
    assert not [file for file in target.iterdir() if "errors" in file.name or "halfway" in file.name]
    assert [place.name for place in tmp_path.iterdir() if "unfinished" in place.name] == []


def test_what_is_kept_is_kept_bit_by_bit(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "out", Options("int4"), quiet)
    stored, original = tensors(tmp_path / "out"), load_file(source / "model.safetensors")
    kept = [name for name in original if name in stored and stored[name].dtype == original[name].dtype]
    assert any("vision" in name for name in kept) and any("router.proj" in name for name in kept)
    assert all(torch.equal(stored[name], original[name]) for name in kept)
    assert {name for name in original if name not in kept} == {
        name for name in original if DENSE.fullmatch(name.removesuffix(".weight")) or ".experts." in name
    }


def test_text_only(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "out", Options("int4", text_only=True), quiet)
    assert not any("vision" in name for name in tensors(tmp_path / "out"))
    assert logits(tmp_path / "out").isfinite().all()


def test_the_report_says_what_every_part_lost(source: Path, tmp_path: Path) -> None:
    errors = quantize(source, tmp_path / "out", Options("int4", shard_bytes=SMALL), quiet)
    report = json.loads((tmp_path / "out" / REPORT).read_text())
    assert report["relative_error"] == errors
    assert list(errors) == [f"layers.{layer}.{part}" for layer in range(3) for part in ("experts", "mlp", "self_attn")]
    exact = load_file(dequantized(tmp_path / "out", source, tmp_path / "floats") / "model.safetensors")
    original = load_file(source / "model.safetensors")
    bank = original["model.decoder.layers.1.experts.gate_up_proj"]
    gate, up, down = (
        torch.stack([exact[f"model.decoder.layers.1.experts.{expert}.{part}_proj.weight"] for expert in range(4)])
        for part in ("gate", "up", "down")
    )
    original_down = original["model.decoder.layers.1.experts.down_proj"]
    lost = (torch.cat([gate, up], 1) - bank).square().sum() + (down - original_down).square().sum()
    whole = bank.square().sum() + original_down.square().sum()
    assert errors["layers.1.experts"] == pytest.approx(float((lost / whole).sqrt()), rel=1e-3)
    plain = quantize(source, tmp_path / "plain", Options("int4", search=False), quiet)
    assert errors["layers.1.experts"] < plain["layers.1.experts"] < 0.1
    assert errors["layers.1.mlp"] == pytest.approx(plain["layers.1.mlp"]) and errors["layers.1.mlp"] < 0.03


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on(source: Path, tmp_path: Path) -> None:
    options = Options("int4", shard_bytes=SMALL)
    quantize(source, tmp_path / "whole", options, quiet)

    def stop(done: int, total: int) -> None:
        if done > total * 0.6:
            raise Stopped

    with pytest.raises(Stopped):
        quantize(source, tmp_path / "out", options, stop)
    assert not (tmp_path / "out").exists()
    unfinished = tmp_path / "out.unfinished"
    shards = sorted(unfinished.glob("*.safetensors"))
    assert 2 < len(shards) < len(list((tmp_path / "whole").glob("*.safetensors")))
    times = {shard.name: shard.stat().st_mtime_ns for shard in shards}
    heard: list[int] = []
    errors = quantize(source, tmp_path / "out", options, lambda done, total: heard.append(done))
    assert heard == sorted(heard) and heard[0] > 1
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == time for name, time in times.items())
    assert errors == json.loads((tmp_path / "whole" / REPORT).read_text())["relative_error"]
    found, expected = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("out", "whole")
    )
    assert found == expected


def test_a_run_goes_on_with_the_same_options_alone(source: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        quantize(source, tmp_path / "out", Options("int4"), stop)
    with pytest.raises(QuantizeError, match="with other options: remove it"):
        quantize(source, tmp_path / "out", Options("fp8"), quiet)
    other = packed.plain(tmp_path / "other", seed=1)
    with pytest.raises(QuantizeError, match="begun from other weights"):
        quantize(other, tmp_path / "out", Options("int4"), quiet)
    quantize(source, tmp_path / "out", Options("int4"), quiet)


def test_nothing_is_written_over(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(QuantizeError, match="is there already"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    with pytest.raises(QuantizeError, match="is there already"):
        quantize(source, source, Options("int4"), quiet)


def test_quantized_weights_are_not_quantized_again(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "once", Options("int4-experts"), quiet)
    with pytest.raises(QuantizeError, match=r"quantized already \(pack-quantized in groups of 32\)"):
        quantize(tmp_path / "once", tmp_path / "twice", Options("int4"), quiet)


def test_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(QuantizeError, match="'bert', and only llama, qwen2, diffusion_gemma, Dream, llada are "):
        quantize(tmp_path, tmp_path / "out", Options("int4"), quiet)


def test_a_source_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LoadError):
        quantize(tmp_path, tmp_path / "out", Options("int4"), quiet)


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), "holds a weight that is not finite"), (3e4, "would lose")]
)
def test_a_matrix_that_cannot_be_quantized_is_named(source: Path, tmp_path: Path, value: float, message: str) -> None:
    """One weight among thousands of its group's size: all others of the group are lost."""
    bad = tmp_path / "bad"
    bad.mkdir()
    shutil.copy(source / "config.json", bad)
    stored = load_file(source / "model.safetensors")
    stored["model.decoder.layers.2.experts.down_proj"][3, 5, :32] = torch.tensor([value] + [value / 16.5] * 31)
    save_file(stored, bad / "model.safetensors")
    with pytest.raises(QuantizeError, match=rf"layers\.2\.experts\.3\.down_proj {message}"):
        quantize(bad, tmp_path / "out", Options("int4"), quiet)
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    """With a tokenizer, from a directory to one that fills gaps."""
    source, target = tiny.write(tmp_path / "source"), tmp_path / "out"
    done = lacuna("quantize", str(source), str(target), "--to", "fp8")
    assert (done.returncode, done.stderr) == (0, "Quantizing\n")
    assert re.search(r"layers\.\d\.\w+: relative error 0\.02\d\d\n", done.stdout)
    assert done.stdout.endswith("quantization_report.json in it has the error of every layer\n")
    for name in ("tokenizer.json", "generation_config.json"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
    fills = engine.load(str(target), RUNTIME).infill(Gap("def f(x):\n    return ", "\n", "python", max_tokens=4))
    assert fills
    report = json.loads(lacuna("doctor", "--json", "--model", str(target), "--threads", "1").stdout)
    assert (report["memory"]["formats"], report["problems"]) == (["float-quantized"], [])
    again = lacuna("quantize", str(source), str(target), "--to", "fp8")
    assert again.returncode == 1 and "is there already" in again.stderr
    unknown = lacuna("quantize", str(source), str(target), "--to", "int3")
    assert unknown.returncode == 2 and "int4, int4-experts, nvfp4, fp8" in unknown.stderr


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_int4_fills_gaps_on_a_cpu(tmp_path: Path, dtype: str) -> None:
    """In bfloat16 by torch's int4 product, expert by expert."""
    source, target = tiny.write(tmp_path / "source", **packed.SHAPE), tmp_path / "out"
    quantize(source, target, Options("int4"), quiet)
    runtime = Runtime("cpu", dtype, 1, "tests")
    assert ("torch's int4 product" in engine.needed(str(target), runtime).products) == (dtype == "bfloat16")
    gap = Gap("def f(x):\n    return ", "\n", "python", max_tokens=4)
    assert engine.load(str(target), runtime).infill(gap)


@pytest.mark.parametrize(
    ("recipe", "size"), [("int4", 16.03e9), ("int4-experts", 17.67e9), ("nvfp4", 16.03e9), ("fp8", 26.05e9)]
)
def test_sizes_of_the_published_model(recipe: str, size: float) -> None:
    shapes = checkpoint.DiffusionGemmaConfig.from_hf(tiny.published_config()).shapes()
    headers = {name: Header(shape, "BF16") for name, shape in shapes.items()}
    plan = Plan({}, {name: Place(name, "weight") for name in shapes}, 0)
    made = jobs(headers, plan, DIFFUSION_GEMMA[recipe], text_only=True)
    assert abs(sum(job.nbytes for job in made) - size) < 0.01e9
    assert len([job for job in made if job.expert is not None]) == 30 * 128 * 3
    parts = shards(made)
    assert [job for shard in parts for job in shard] == made
    assert all(sum(job.nbytes for job in shard) <= 4e9 for shard in parts)


QUANTIZE = """
import resource, sys
from pathlib import Path
import torch
from lacuna.engine.quantize.run import Options, quantize
torch.randn(64, 64) @ torch.randn(64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
quantize(Path(sys.argv[1]), Path(sys.argv[2]), Options("int4", text_only=True), lambda done, total: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kibibytes on Linux")
def test_memory_is_that_of_a_bank(tmp_path: Path) -> None:
    """Of 300 MB of weights the largest tensor, 67 MB, is mapped while its experts are quantized."""
    source = packed.plain(tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    config["text_config"] |= {"hidden_size": 512, "moe_intermediate_size": 512, "num_experts": 64}
    (source / "config.json").write_text(json.dumps(config))
    shapes = checkpoint.DiffusionGemmaConfig.from_hf(config).shapes()
    save_file({name: torch.randn(shape).bfloat16() for name, shape in shapes.items()}, source / "model.safetensors")
    run = subprocess.run(
        [sys.executable, "-c", QUANTIZE, str(source), str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    whole, largest = sum(map(math.prod, shapes.values())) * 2, 64 * 1024 * 512 * 2
    assert whole > 300e6
    assert 1024 * int(run.stdout) < largest + 40e6
