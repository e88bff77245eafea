"""Quantizes a checkpoint shard by shard into a directory beside the target, which becomes the target at the end.

A run that was stopped goes on behind its last whole shard. Until all is written there is no target.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lacuna.engine.families.gap import lora
from lacuna.engine.families.gap.loading import ADAPTER
from lacuna.engine.layers import weight_files
from lacuna.engine.quantize import nvfp4, quantizers, unfinished
from lacuna.engine.quantize.jobs import SHARD_BYTES, Job, jobs, shards
from lacuna.engine.quantize.quantizers import Quantized, Unquantizable
from lacuna.engine.quantize.recipe import FP8, INT4, NVFP4
from lacuna.engine.quantize.sources import QuantizeError, Source, planned
from lacuna.engine.quantize.unfinished import write_json
from lacuna.engine.store.safetensors_stream import Writer
from lacuna.engine.untrusted.load_error import LoadError

REPORT = "quantization_report.json"
COPIED = (".json", ".jinja", ".model", ".txt")
CODE = ".py"  # of other engines, which config.json names; never executed here
NOT_COPIED = frozenset({"config.json", "hf_quant_config.json", "lacuna.json", lora.CONFIG, weight_files.INDEX_FILE})
MOST_LOST = {
    INT4: 0.16,
    NVFP4: 0.16,
    FP8: 0.05,
}  # relative error of a matrix; gaussian weights lose 0.08, 0.08 and 0.026

Errors = dict[str, list[float]]  # what is lost, and what there was, by part of a layer


@dataclass(frozen=True)
class Options:
    recipe: str  # one of recipe.NAMES
    search: bool = True  # for the scales of INT4 that lose least
    text_only: bool = False  # without the vision tower
    shard_bytes: int = SHARD_BYTES


def quantize(
    directory: Path,
    target: Path,
    options: Options,
    report: Callable[[int, int], None],
    adapter: Path | None = None,
) -> dict[str, float]:
    """Quantizes a model directory into the directory `target`; returns the relative error of each part of each layer.

    `report` hears of matrices done, and of how many there are. `adapter` is the directory of one to lay into the
    target, for a base that is used with it. Raises QuantizeError, LoadError for a source that cannot be read, and
    OSError.
    """
    work = unfinished.place(target)
    source = Source.of(directory, options.recipe)
    try:
        todo = shards(
            jobs(weight_files.headers(directory), source.plan, source.recipe, options.text_only), options.shard_bytes
        )
    except Unquantizable as error:
        raise QuantizeError(str(error)) from error
    files = {f"model-{at + 1:05}-of-{len(todo):05}.safetensors": shard for at, shard in enumerate(todo)}
    missing = [shard for name, shard in files.items() if not (work / name).exists()]
    unfinished.check_room(target, sum(job.nbytes for shard in missing for job in shard))
    with unfinished.begun(work, directory, vars(options)):
        relative = _all_written(source, work, files, options, report)
        _finish(source, work, files, options, relative, adapter)
    unfinished.finish(work, target, [_errors_file(Path(name)).name for name in files])
    return relative


def _all_written(
    source: Source,
    work: Path,
    files: Mapping[str, Sequence[Job]],
    options: Options,
    report: Callable[[int, int], None],
) -> dict[str, float]:
    """Writes the shards that are not there. Returns what was lost, relative, by part of a layer."""
    total, done, errors = sum(map(len, files.values())), 0, list[Errors]()
    before = unfinished.stamps(source.directory)
    for name, shard in files.items():
        if not (work / name).exists():
            _write(source.directory, work / name, shard, options, partial(_report, report, done, total))
        if unfinished.stamps(source.directory) != before:
            (work / name).unlink()
            raise QuantizeError(f"{source.directory} has changed meanwhile: remove {work}, and begin again")
        errors.append(json.loads(_errors_file(work / name).read_text(encoding="utf-8")))
        done += len(shard)
        report(done, total)
    return _relative(errors)


def _report(report: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    report(before + done, total)


def _write(source: Path, file: Path, shard: Sequence[Job], options: Options, report: Callable[[int], None]) -> None:
    """A shard, and beside it what it lost; it has its name once both are whole."""
    errors: Errors = defaultdict(lambda: [0.0, 0.0])
    halfway = file.with_suffix(unfinished.HALFWAY)
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
    write_json(_errors_file(file), errors)
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
            f"{job.module} would lose {lost:.1%} in {job.kind}, and {MOST_LOST[job.kind]:.0%} is the most: choose "
            f"another form than {options.recipe}"
        )
    errors[job.part][0] += quantized.lost
    errors[job.part][1] += quantized.whole


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
    source: Source,
    work: Path,
    files: Mapping[str, Sequence[Job]],
    options: Options,
    relative: Mapping[str, float],
    adapter: Path | None,
) -> None:
    """Everything but the weights; the directory must then be one that loads."""
    index = {name: file for file, shard in files.items() for job in shard for name in job.layout}
    total = sum(job.nbytes for shard in files.values() for job in shard)
    write_json(work / weight_files.INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": index})
    write_json(work / REPORT, {"options": vars(options), "bytes": total, "relative_error": dict(relative)})
    copied = (*COPIED, CODE) if "auto_map" in source.config else COPIED
    for file in sorted(source.directory.iterdir()):
        if file.is_file() and file.suffix in copied and file.name not in NOT_COPIED:
            shutil.copyfile(file, work / file.name)
    if adapter is not None:
        (work / ADAPTER).mkdir(exist_ok=True)
        for name in (lora.CONFIG, lora.FILE):
            shutil.copyfile(adapter / name, work / ADAPTER / name)
    claimed = dict(source.config) | {"quantization_config": source.recipe.config()}
    if options.text_only and "vision_config" in claimed:
        claimed["vision_config"] = None  # or vLLM 0.32.0 makes a vision tower of whatever its memory held
    write_json(work / "config.json", claimed)
    try:
        planned(work, claimed)
    except LoadError as error:
        raise QuantizeError(f"what was written does not load: {error}") from error


def _errors_file(shard: Path) -> Path:
    return shard.with_suffix(".errors.json")
