"""`lacuna doctor`: what Lacuna finds on a machine, what it has chosen and why, and how long a fill takes."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lacuna.engine.api import WarmsUp
from lacuna.engine.device import runtime
from lacuna.engine.device.memory import explained, peak_mb
from lacuna.engine.device.other_programs import OtherPrograms
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.store import model_store, paths
from lacuna.engine.text.languages import LANGUAGES
from lacuna.engine.text.syntax import MissingGrammar, grammar
from lacuna.lsp_server.cli.auto_report import AutoReport
from lacuna.lsp_server.cli.memory_report import MemoryReport, known_checkpoints
from lacuna.lsp_server.config import ModelChoice
from lacuna.lsp_server.model import keystrokes
from lacuna.lsp_server.model.auto import AUTO, CANDIDATE_NAMES
from lacuna.lsp_server.model.auto_loading import Candidates
from lacuna.lsp_server.model.keystrokes import Speed, TimedFill

if TYPE_CHECKING:
    from lacuna.engine.api import Filler
    from lacuna.engine.quantize.forms import Form

_SHOWN_FILLS = 2  # of the first keystroke in a document, and of the second


@dataclass(frozen=True)
class Report:
    """Everything `lacuna doctor` says; None stands for what could not be found out."""

    lacuna: str
    python: str
    system: str
    torch: str | None
    runtime: Runtime | None
    store: str
    model: str
    model_directory: str | None
    model_source: str | None
    model_verified: bool
    adapter: str | None
    memory: MemoryReport | None
    load_ms: float | None
    launches: str  # how passes are launched on a GPU
    fills: tuple[TimedFill, ...]
    speed: Speed | None  # of warm keystrokes; of the models alone that "auto" chooses from
    peak_memory_mb: float | None
    missing_grammars: tuple[str, ...]
    problems: tuple[str, ...]  # each says what is wrong and what to do; something is broken unless there are none
    known: tuple[Form, ...] = ()  # published checkpoints, where the model is one of these or not there
    auto: AutoReport | None = None  # where the model is "auto"


def examine(choice: ModelChoice) -> Report:
    """Look at everything, also after something was found broken. The model's speed is measured, and kept."""
    problems = list[str]()
    chosen = _runtime(choice, problems)
    candidates = Candidates(chosen, choice.adapter)
    while True:
        model = candidates.choice().model if choice.model == AUTO else choice.model
        report = _examined(replace(choice, model=model), chosen, problems)
        if report.speed is not None:
            candidates.measured(model, report.speed)
        if choice.model != AUTO:
            return report
        found = candidates.choice()
        if found.model == model:  # else it was too slow
            return replace(report, auto=AutoReport.of(found))


def _examined(choice: ModelChoice, chosen: Runtime | None, known_problems: Sequence[str]) -> Report:
    model, problems = choice.model, list(known_problems)
    directory = _directory(model, problems)
    source = _source(directory, problems) if directory else None
    memory = _memory(choice, chosen, problems) if chosen and directory else None
    known = known_checkpoints(model, chosen) if chosen and (memory or not directory) else ()
    start = time.perf_counter()
    filler = _filler(choice, chosen, problems) if chosen and directory and not problems else None
    load_ms = (time.perf_counter() - start) * 1000
    others = OtherPrograms()
    fills = _timed_fills(model, filler, problems) if filler else []
    return Report(
        lacuna=importlib.metadata.version("lacuna"),
        python=platform.python_version(),
        system=platform.platform(),
        torch=_torch_version(),
        runtime=chosen,
        store=str(paths.models()),
        model=model,
        model_directory=str(directory) if directory else None,
        model_source=source,
        model_verified=source is not None,
        adapter=_adapter(choice) if filler else None,
        memory=memory,
        load_ms=round(load_ms, 1) if filler else None,
        launches=filler.launches if isinstance(filler, WarmsUp) else "",
        fills=tuple(fills[:_SHOWN_FILLS]),
        speed=keystrokes.speed_of(fills, others.share()) if len(fills) > _SHOWN_FILLS else None,
        peak_memory_mb=peak_mb(),
        missing_grammars=_missing_grammars(),
        problems=tuple(problems),
        known=known,
    )


def as_json(report: Report) -> str:
    """A report for machines."""
    return json.dumps(dataclasses.asdict(report), indent=2)


def as_text(report: Report) -> str:
    """A report for people."""
    lines = [
        ("lacuna", f"{report.lacuna} with Python {report.python} on {report.system}"),
        ("torch", report.torch or "not found"),
        *_runtime_lines(report),
        ("store", report.store),
        *_model_lines(report),
        *(report.auto.lines() if report.auto else ()),
        *(report.memory.lines() if report.memory else ()),
        *(("checkpoint", form.in_words) for form in report.known),
        *_timing_lines(report),
        *(("note", reason) for reason in report.missing_grammars),
        *(("problem", problem) for problem in report.problems),
        ("verdict", f"{len(report.problems)} to be mended" if report.problems else "all is well"),
    ]
    return "\n".join(f"{label:<17} {text}" for label, text in lines)


def _runtime_lines(report: Report) -> list[tuple[str, str]]:
    if report.runtime is None:
        return []
    return [
        ("device", report.runtime.device),
        ("dtype", report.runtime.dtype),
        ("threads", str(report.runtime.threads or "torch's own choice")),
        ("why", report.runtime.reason),
    ]


def _model_lines(report: Report) -> list[tuple[str, str]]:
    if report.model_directory is None:
        return [("model", f"{report.model}, not found")]
    checked = "verified against its manifest" if report.model_verified else "not verified"
    lines = [("model", f"{report.model} from {report.model_source or report.model_directory}, {checked}")]
    return [*lines, ("adapter", report.adapter)] if report.adapter else lines


def _timing_lines(report: Report) -> list[tuple[str, str]]:
    lines = [("load", f"{report.load_ms:.0f} ms")] if report.load_ms is not None else []
    lines += [("passes", report.launches)] if report.launches else []
    for name, fill in zip(("first keystroke", "second keystroke"), report.fills, strict=False):
        stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in fill.stages_ms.items())
        cost = f"{fill.ms:.0f} ms ({stages}), {fill.steps} steps, {fill.forwards} forwards"
        lines.append((name, f"{cost}: {fill.text!r}"))
    if report.speed is not None:
        others = f", while other programs took {report.speed.others_share:.0%} of the CPU"
        busy = others if report.speed.is_disturbed else ""
        lines.append(("warm keystrokes", f"{report.speed.p50_ms:.0f} ms in the median{busy}"))
    if report.peak_memory_mb is not None:
        lines.append(("peak memory", f"{report.peak_memory_mb:.0f} MB"))
    return lines


def _torch_version() -> str | None:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _runtime(choice: ModelChoice, problems: list[str]) -> Runtime | None:
    try:
        return runtime.choose(choice.device, choice.dtype, choice.threads)
    except ValueError as error:
        problems.append(str(error))
    except (ImportError, OSError) as error:  # OSError: a library of torch's own does not load
        problems.append(f"torch cannot be imported ({error}): install it again, `pip install --force-reinstall torch`")
    return None


def _directory(model: str, problems: list[str]) -> Path | None:
    try:
        return model_store.find(model)
    except model_store.ModelMissing as error:
        problems.append(str(error))
        return None


def _source(directory: Path, problems: list[str]) -> str | None:
    """Where a model was pulled from; None, and a problem, where its files are not those that were pulled.

    None alone for a directory that was never pulled: there is nothing to compare it with.
    """
    if not (directory / model_store.MANIFEST).exists():
        return None
    faults = model_store.verify(directory)
    if faults:
        problems.append(f"{directory} is damaged ({'; '.join(faults)}): remove it and run `lacuna pull`")
        return None
    return model_store.source(directory)


def _filler(choice: ModelChoice, chosen: Runtime, problems: list[str]) -> Filler | None:
    from lacuna.engine import load
    from lacuna.engine.untrusted.load_error import LoadError

    try:
        return load.load(choice.model, chosen, choice.adapter)
    except LoadError as error:
        problems.append(f"{choice.model} cannot be loaded: {error}")
        return None
    except (OSError, ValueError, LookupError, RuntimeError, MemoryError) as error:
        problems.append(f"{choice.model} cannot be loaded: {explained(error)}")
        return None


def _adapter(choice: ModelChoice) -> str | None:
    from lacuna.engine import load

    return load.adapter_in_words(choice.model, choice.adapter)


def _memory(choice: ModelChoice, chosen: Runtime, problems: list[str]) -> MemoryReport | None:
    """What a model needs, and a problem where that is more than there is."""
    try:
        found = MemoryReport.of(choice.model, chosen, choice.adapter)
    except (OSError, ValueError, LookupError) as error:
        problems.append(f"{choice.model} cannot be loaded: {type(error).__name__}: {error}")
        return None
    problem = found.problem(choice.model, chosen)
    problems.extend([problem] if problem else [])
    return found


def _timed_fills(model: str, filler: Filler, problems: list[str]) -> list[TimedFill]:
    """Of a model that "auto" chooses from as many as its speed is judged by."""
    timed: list[TimedFill] = []
    wanted = None if model in CANDIDATE_NAMES else _SHOWN_FILLS
    try:
        timed.extend(islice(keystrokes.timed(filler), wanted))
    except (RuntimeError, MemoryError) as error:  # torch's: out of memory, or something that the device cannot compute
        problems.append(f"{model} fails at its work, choose another device, dtype or model: {explained(error)}")
    return timed


def _missing_grammars() -> tuple[str, ...]:
    return tuple(found.reason for found in map(grammar, LANGUAGES) if isinstance(found, MissingGrammar))
