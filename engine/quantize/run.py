"""Quantizes a checkpoint shard by shard into a directory beside the target, which becomes the target at the end.

A run that was stopped goes on behind its last whole shard. Until all is written there is no target.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lacuna.engine.families.diffusion_gemma import checkpoint
from lacuna.engine.families.diffusion_gemma.config import DiffusionGemmaConfig
from lacuna.engine.layers import weight_files
from lacuna.engine.quantize import nvfp4, quantizers
from lacuna.engine.quantize.jobs import SHARD_BYTES, Job, jobs, shards
from lacuna.engine.quantize.quantizers import Quantized, Unquantizable
from lacuna.engine.quantize.recipe import FP8, INT4, NVFP4, RECIPES
from lacuna.engine.store.safetensors_stream import Writer
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

BEGUN, REPORT = "quantize.json", "quantization_report.json"
COPIED = (".json", ".jinja", ".model", ".txt")
NOT_COPIED = frozenset({"config.json", "hf_quant_config.json", "lacuna.json", weight_files.INDEX_FILE})
MOST_LOST = {
    INT4: 0.16,
    NVFP4: 0.16,
    FP8: 0.05,
}  # relative error of a matrix; gaussian weights lose 0.08, 0.08 and 0.026
_PART = re.compile(r"(layers\.\d+\.(?:experts|self_attn|mlp))\.")

Errors = dict[str, list[float]]  # what is lost, and what there was, by part of a layer


class QuantizeError(Exception):
    """A checkpoint that cannot be quantized, or not to there; the message says what to do."""


@dataclass(frozen=True)
class Options:
    recipe: str  # one of RECIPES
    search: bool = True  # for the scales of INT4 that lose least
    text_only: bool = False  # without the vision tower
    shard_bytes: int = SHARD_BYTES


def quantize(source: Path, target: Path, options: Options, report: Callable[[int, int], None]) -> dict[str, float]:
    """The relative error of each part of each layer. `report` hears of matrices done, and of how many there are.

    Raises QuantizeError, LoadError for a source that cannot be read, and OSError.
    """
    plan, config = _planned(source)
    all_shards = shards(
        jobs(weight_files.headers(source), plan, RECIPES[options.recipe], options.text_only), options.shard_bytes
    )
    unfinished = _begin(source, target, options, all_shards)
    names = [f"model-{at + 1:05}-of-{len(all_shards):05}.safetensors" for at in range(len(all_shards))]
    total, done, errors = sum(map(len, all_shards)), 0, list[Errors]()
    for name, shard in zip(names, all_shards, strict=True):
        if not (unfinished / name).exists():
            _write(source, unfinished / name, shard, options, partial(_report, report, done, total))
        errors.append(json.loads(_errors_file(unfinished / name).read_text(encoding="utf-8")))
        done += len(shard)
        report(done, total)
    relative = _relative(errors)
    _finish(source, unfinished, config, options, dict(zip(names, all_shards, strict=True)), relative)
    unfinished.rename(target)
    for file in [target / BEGUN, *(_errors_file(target / name) for name in names)]:
        file.unlink(missing_ok=True)
    return relative


def _report(report: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    report(before + done, total)


def _planned(source: Path) -> tuple[Any, Mapping[str, Any]]:
    """The plan of a source in floats, and the content of its config.json."""
    config = config_file.read(source / "config.json").values
    if config.get("model_type") != "diffusion_gemma":
        raise QuantizeError(
            f"{source} holds a {str(config.get('model_type'))[:60]!r}: only DiffusionGemma is quantized"
        )
    plan = checkpoint.planned(source, DiffusionGemmaConfig.from_hf(config))
    if plan.formats():
        raise QuantizeError(f"{source} is quantized already ({', '.join(plan.formats())}): take the original weights")
    return plan, config


def _begin(source: Path, target: Path, options: Options, all_shards: Sequence[Sequence[Job]]) -> Path:
    """The directory that shards are written to, new or of a run that was stopped."""
    if os.path.lexists(target):
        raise QuantizeError(f"{target} is there already: remove it, or choose another place")
    unfinished = target.with_name(f"{target.name}.unfinished")
    files = {file.name: file.stat() for file in sorted(source.glob("*.safetensors"))}
    said = {
        "source": str(source.resolve()),
        "files": {name: [found.st_size, found.st_mtime_ns] for name, found in files.items()},
        "options": vars(options),
    }
    if not unfinished.exists():
        _check_room(target.parent, sum(job.nbytes for shard in all_shards for job in shard))
        unfinished.mkdir(parents=True)
        _write_json(unfinished / BEGUN, said)
    elif not (unfinished / BEGUN).is_file() or config_file.read(unfinished / BEGUN).values != said:
        raise QuantizeError(f"{unfinished} was begun from other weights or with other options: remove it")
    return unfinished


def _check_room(directory: Path, wanted: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if wanted > free:
        raise QuantizeError(f"{directory} has {free / 1e9:.1f} GB of room, and {wanted / 1e9:.1f} are needed")


def _write(source: Path, file: Path, shard: Sequence[Job], options: Options, report: Callable[[int], None]) -> None:
    """A shard, and beside it what it lost; it has its name once both are whole."""
    errors: Errors = defaultdict(lambda: [0.0, 0.0])
    halfway = file.with_suffix(".halfway")
    with halfway.open("wb") as opened:
        writer = Writer(opened, {name: part for job in shard for name, part in job.layout.items()})
        wanted: dict[str, list[Job]] = defaultdict(list)
        for job in shard:
            wanted[job.source].append(job)
        done = 0
        for name, tensor in weight_files.stream(source):
            for job in wanted.get(name, ()):
                _put(writer, job, tensor, options, errors)
                done += 1
                report(done)
        writer.finish()
        os.fsync(opened.fileno())
    _write_json(_errors_file(file), errors)
    halfway.rename(file)


def _put(writer: Writer, job: Job, tensor: torch.Tensor, options: Options, errors: Errors) -> None:
    if not job.kind:
        writer.put(job.module, tensor)
        return
    try:
        quantized = _quantized(job, tensor, options.search)
    except Unquantizable as error:
        raise QuantizeError(f"{job.module} {error}: such weights cannot be quantized") from error
    for suffix, part in quantized.tensors.items():
        writer.put(f"{job.module}.{suffix}", part)
    lost = math.sqrt(quantized.lost / quantized.whole) if quantized.whole else 0.0
    if lost > MOST_LOST[job.kind]:
        raise QuantizeError(
            f"{job.module} would lose {lost:.1%} in {job.kind}, and {MOST_LOST[job.kind]:.0%} is the most"
        )
    found = _PART.search(job.module.replace(".moe.experts.", ".experts."))
    assert found is not None, f"{job.module} is in no layer"
    errors[found[1]][0] += quantized.lost
    errors[found[1]][1] += quantized.whole


def _quantized(job: Job, tensor: torch.Tensor, search: bool) -> Quantized:
    whole = tensor if job.expert is None else tensor[job.expert]
    matrix = whole[job.first_row : job.first_row + job.shape[0]]
    if job.kind == FP8:
        return quantizers.fp8(matrix)
    if job.kind == INT4:
        return quantizers.int4(matrix, quantizers.SEARCHED if search else quantizers.PLAIN)
    return nvfp4.nvfp4(matrix, nvfp4.SEARCHED if search else quantizers.PLAIN, float(whole.abs().max()))


def _relative(errors: Sequence[Errors]) -> dict[str, float]:
    """Root mean squares over whole parts, which may lie in two shards."""
    summed: Errors = defaultdict(lambda: [0.0, 0.0])
    for found in errors:
        for part, (lost, whole) in found.items():
            summed[part][0] += lost
            summed[part][1] += whole
    by_layer = sorted(summed, key=lambda part: (int(part.split(".")[1]), part))
    return {part: math.sqrt(summed[part][0] / summed[part][1]) if summed[part][1] else 0.0 for part in by_layer}


def _finish(
    source: Path,
    unfinished: Path,
    config: Mapping[str, Any],
    options: Options,
    named: Mapping[str, Sequence[Job]],
    relative: Mapping[str, float],
) -> None:
    """Everything but the weights; the directory must then be one that loads."""
    files = {name: file for file, shard in named.items() for job in shard for name in job.layout}
    total = sum(job.nbytes for shard in named.values() for job in shard)
    _write_json(unfinished / weight_files.INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": files})
    _write_json(unfinished / REPORT, {"options": vars(options), "bytes": total, "relative_error": dict(relative)})
    for file in sorted(source.iterdir()):
        if file.is_file() and file.suffix in COPIED and file.name not in NOT_COPIED:
            shutil.copyfile(file, unfinished / file.name)
    claimed = dict(config) | {"quantization_config": RECIPES[options.recipe].config()}
    _write_json(unfinished / "config.json", claimed)
    try:
        checkpoint.planned(unfinished, DiffusionGemmaConfig.from_hf(claimed))
    except LoadError as error:
        raise QuantizeError(f"what was written does not load: {error}") from error


def _errors_file(shard: Path) -> Path:
    return shard.with_suffix(".errors.json")


def _write_json(file: Path, content: Any) -> None:
    """Whole or not at all."""
    halfway = file.with_suffix(".halfway")
    halfway.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(halfway, file)
