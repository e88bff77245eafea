"""Quantized checkpoints at their published size, by their headers; and what loading one takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import gguf_checkpoints
import numpy as np
import packed_checkpoints as packed
import pytest
import torch
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import save_file
from sparse_checkpoint import BITS, Header, write_sparse
from tiny_diffusion_gemma import published_config

from lacuna.engine import load as engine
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint, memory
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.layers import packed_kernels
from lacuna.engine.untrusted.load_error import LoadError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sparse files, and ru_maxrss in kibibytes")

VISION_BYTES = 1.15e9  # of the published files, which are not read


def fp8(rows: int, columns: int) -> dict[str, Header]:
    return {"weight": ((rows, columns), "F8_E4M3"), "weight_scale": ((rows, 1), "BF16")}


def int4(rows: int, columns: int) -> dict[str, Header]:
    scale = ((rows, columns // 32), "F16")
    return {"weight_packed": ((rows, columns // 8), "I32"), "weight_scale": scale, "weight_shape": ((2,), "I64")}


def modelopt(rows: int, columns: int) -> dict[str, Header]:
    scalars = {"weight_scale_2": ((), "F32"), "input_scale": ((), "F32")}
    return {"weight": ((rows, columns // 2), "U8"), "weight_scale": ((rows, columns // 16), "F8_E4M3"), **scalars}


def headers(config: DiffusionGemmaConfig, pack: Any, targets: tuple[str, ...], floats: str) -> dict[str, Header]:
    """Every stored tensor of the text path."""
    found: dict[str, Header] = {}
    for name, shape in config.shapes().items():
        if not any(re.fullmatch(target, name.removesuffix(".weight")) for target in targets):
            found[name] = shape, floats
            continue
        for module, (rows, columns) in modules(name, shape):
            found |= {f"{module}.{suffix}": header for suffix, header in pack(rows, columns).items()}
    return found


def modules(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    if len(shape) == 2:
        yield name.removesuffix(".weight"), (shape[0], shape[1])
        return
    parts = ("gate_proj", "up_proj") if name.endswith("gate_up_proj") else ("down_proj",)
    for expert in range(shape[0]):
        for part in parts:
            yield f"{name.rpartition('.')[0]}.{expert}.{part}", (shape[1] // len(parts), shape[2])


PUBLISHED = {
    "FP8": (packed.DIALECTS["fp8 per channel"], fp8, "BF16", 24_232, 27_197_665_496),
    "NVFP4 of modelopt": (packed.DIALECTS["nvfp4 of modelopt"], modelopt, "BF16", 47_067, 18_818_050_776),
    "INT4": (packed.DIALECTS["int4 g32, all in float16"], int4, "F16", 35_777, 17.22e9),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_checkpoints_are_planned_from_their_headers(tmp_path: Path, name: str) -> None:
    """Tensors and bytes are those of the published files without vision, and memory is what they take packed."""
    dialect, pack, floats, tensors, size = PUBLISHED[name]
    claimed = published_config() | {"quantization_config": dialect.config}
    config = DiffusionGemmaConfig.from_hf(claimed)
    stored = headers(config, pack, dialect.targets, floats)
    written = write_sparse(tmp_path, claimed, stored)
    assert abs(written + VISION_BYTES - size) < 0.01 * size
    assert 0 < tensors - len(stored) < 400  # what is left is vision
    needed = memory.needed(tmp_path, Runtime("cuda", "bfloat16", 0, "tests"))
    unused = sum(prod(shape) * BITS[dtype] // 8 for name, (shape, dtype) in stored.items() if "shape" in name)
    assert abs(needed.weights - (written - unused)) < 1e6
    assert needed.formats == tuple(checkpoint.planned(tmp_path, config).formats()) != ()
    assert 0.2e9 < needed.activations - 3 * 256 * 262_144 * 4 < 0.5e9  # 16 experts are decoded at once


def test_kernels_decode_nothing_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = published_config()
    config = DiffusionGemmaConfig.from_hf(claimed)
    write_sparse(tmp_path, claimed, headers(config, int4, (packed.EXPERTS,), "BF16"))
    runtime = Runtime("cuda", "bfloat16", 0, "tests")
    found = []
    for why_not in ("no reason", ""):
        monkeypatch.setattr(packed_kernels, "refusal", lambda *_, why_not=why_not: why_not)
        found.append(memory.needed(tmp_path, runtime))
    decoded, by_kernels = found
    assert decoded.products == "INT4 decoded at every use, not by kernels: no reason"
    assert by_kernels.products == "INT4 by kernels in Triton"
    assert decoded.activations - by_kernels.activations == 3 * 16 * 1408 * 2816 * 2
    assert "torch's int4 product" in memory.needed(tmp_path, Runtime("cpu", "bfloat16", 0, "tests")).products
    assert memory.needed(tmp_path, Runtime("cpu", "float32", 0, "tests")).products.startswith("decoded at every use")


def test_int4_on_a_cpu_has_a_centre_beside_every_scale(tmp_path: Path) -> None:
    claimed = published_config()
    config = DiffusionGemmaConfig.from_hf(claimed)
    write_sparse(tmp_path, claimed, headers(config, int4, (packed.EXPERTS,), "BF16"))
    gpu, cpu, single = (
        memory.needed(tmp_path, Runtime(device, dtype, 0, "tests")).weights
        for device, dtype in (("cuda", "bfloat16"), ("cpu", "bfloat16"), ("cpu", "float32"))
    )
    experts = 128 * 3 * 704 * 2816 * 30
    head = 262_144 * 2816 * 2
    assert cpu - gpu == experts // 32 * 2 + head
    assert single - gpu > head


def test_without_weights_the_config_is_all_there_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published_config()))
    needed = memory.needed(tmp_path, Runtime("cuda", "bfloat16", 0, "tests"))
    assert 50e9 < needed.weights < 51e9 and needed.formats == ()


def test_weights_that_do_not_fit_are_not_begun(tmp_path: Path) -> None:
    """1.5 TB, more than any machine has that runs this."""
    claimed = published_config()
    claimed["text_config"]["num_experts"] = 4096
    config = DiffusionGemmaConfig.from_hf(claimed)
    write_sparse(tmp_path, claimed, {name: (shape, "BF16") for name, shape in config.shapes().items()})
    runtime = Runtime("cpu", "bfloat16", 0, "tests")
    with pytest.raises(
        LoadError, match=r"has weights of 1,?\d+\.\d GB, and cpu has .* available: no smaller form of it fits"
    ):
        engine.load(str(tmp_path), runtime)


LOAD = """
import resource, sys
from pathlib import Path
import torch
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.diffusion_gemma import checkpoint
torch.randn(64, 64) @ torch.randn(64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = checkpoint.load(Path(sys.argv[1]), Runtime("cpu", sys.argv[2], 1, "tests"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
SHARD_BYTES = 8_000_000


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_peak_memory_is_the_packed_weights_and_little_more(tmp_path: Path, dtype: str) -> None:
    """In bfloat16 a layer's matrices are put in the order of torch's product: it stands twice for a moment."""
    source = packed.plain(tmp_path / "plain")
    config = json.loads((source / "config.json").read_text())
    config["text_config"] |= {"hidden_size": 512, "moe_intermediate_size": 512, "num_experts": 64}
    ours = DiffusionGemmaConfig.from_hf(config)
    directory = tmp_path / "packed"
    directory.mkdir()
    write_shards(directory, headers(ours, int4, (packed.EXPERTS,), "BF16"))
    (directory / "config.json").write_text(json.dumps(config | {"quantization_config": packed.INT4}))
    weights = memory.needed(directory, Runtime("cpu", dtype, 1, "tests")).weights
    layer = 64 * 3 * 512 * 512 * 4.5 / 8
    assert 80e6 < weights < 150e6
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(directory), dtype], capture_output=True, text=True, check=True
    )
    assert 1024 * int(run.stdout) < weights + layer + SHARD_BYTES + 12e6


# On a GPU, embeddings in bfloat16; matrices whose rows are no whole blocks in Q8_0.
GGUF_BYTES = {"Q4_0": 15.3e9, "Q4_K": 19.2e9, "Q8_0": 27.5e9}


@pytest.mark.parametrize("kind", GGUF_BYTES)
def test_a_gguf_file_of_the_published_size_is_planned_from_its_header(tmp_path: Path, kind: str) -> None:
    """It has the 692 tensors of the published files, and memory is what they take, packed."""
    config = DiffusionGemmaConfig.from_hf(published_config())
    chosen = gguf_checkpoints.mostly(Kind[kind], token_embd=Kind.Q6_K)
    named = {gguf_checkpoints.gguf_name(name): shape for name, shape in config.shapes().items()}
    named["rope_freqs.weight"] = (256,)
    stored = {name: (shape, chosen(name, shape)) for name, shape in named.items()}
    assert len(stored) == 692
    gguf_checkpoints.write_sparse(tmp_path / "model.gguf", stored)
    (tmp_path / "config.json").write_text(json.dumps(published_config()))
    needed = memory.needed(tmp_path, Runtime("cuda", "bfloat16", 0, "tests"))
    packed = sum(
        prod(shape) // GGML_QUANT_SIZES[kind][0] * GGML_QUANT_SIZES[kind][1]
        for shape, kind in stored.values()
        if kind not in (Kind.F32, Kind.Q6_K)
    )
    floats = sum(prod(shape) for name, (shape, kind) in stored.items() if kind in (Kind.F32, Kind.Q6_K))
    assert needed.weights == packed + 2 * (floats - 256)
    assert abs(needed.weights - GGUF_BYTES[kind]) < 0.05e9
    others = {"Q8_0 of GGUF"} if kind == "Q4_K" else set()
    assert needed.formats == tuple(sorted({f"{kind} of GGUF"} | others))
    assert 0.5e9 < needed.activations - 3 * 256 * 262_144 * 4 < 0.7e9  # 16 experts are decoded at once


def test_peak_memory_of_a_gguf_file_is_its_weights_and_little_more(tmp_path: Path) -> None:
    source = packed.plain(tmp_path / "plain")
    config = json.loads((source / "config.json").read_text())
    config["text_config"] |= {"hidden_size": 512, "moe_intermediate_size": 512, "num_experts": 64}
    (tmp_path / "config.json").write_text(json.dumps(config))
    blocks: dict[str, tuple[np.ndarray, Kind]] = {}
    for name, shape in DiffusionGemmaConfig.from_hf(config).shapes().items():
        kind = gguf_checkpoints.TYPES["Q4_0"](gguf_checkpoints.gguf_name(name), shape)
        size = shape[-1] // GGML_QUANT_SIZES[kind][0] * GGML_QUANT_SIZES[kind][1]
        empty = np.ones(shape, np.float32) if kind == Kind.F32 else np.zeros((*shape[:-1], size), np.uint8)
        blocks[gguf_checkpoints.gguf_name(name)] = (empty, kind)
    gguf_checkpoints.write_file(tmp_path / "model.gguf", blocks)
    weights = memory.needed(tmp_path, Runtime("cpu", "bfloat16", 1, "tests")).weights
    assert 80e6 < weights < 150e6
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path), "bfloat16"], capture_output=True, text=True, check=True
    )
    largest = max(empty.nbytes for empty, _ in blocks.values())
    assert 1024 * int(run.stdout) < weights + largest + 12e6


def write_shards(directory: Path, stored: dict[str, Header]) -> None:
    """Shards of scales of 1 and weights of any bits."""
    shard: dict[str, torch.Tensor] = {}
    files: dict[str, str] = {}
    for at, (name, (shape, dtype)) in enumerate(stored.items()):
        kind = {"I32": torch.int32, "F16": torch.bfloat16, "BF16": torch.bfloat16, "I64": torch.int64}[dtype]
        shard[name] = torch.ones(shape, dtype=kind)
        if name.endswith("weight_shape"):
            rows, words = stored[name.replace("_shape", "_packed")][0]
            shard[name] = torch.tensor([rows, 8 * words])
        if sum(tensor.nbytes for tensor in shard.values()) > SHARD_BYTES or at + 1 == len(stored):
            file = f"model-{len(set(files.values())):05}.safetensors"
            save_file(shard, directory / file)
            files |= dict.fromkeys(shard, file)
            shard = {}
    packed.write_index(directory, files)
