"""A training run from its parts: what to start from, what to read, where to keep what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from lacuna.engine.device import runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.denoiser import FIM, GapConfig
from lacuna.engine.families.gap.fim import templates
from lacuna.engine.store import model_store, named_path
from lacuna.engine.train import checkpoint, frozen
from lacuna.engine.train.checkpoint import Progress
from lacuna.engine.train.documents import Document, Documents
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.gaps import FIM_CUTTING, TWO_READS_CUTTING
from lacuna.engine.train.lessons import FimLesson, Lesson, TwoReadsLesson
from lacuna.engine.train.lora import STACKS, Lora
from lacuna.engine.train.loss import Measure
from lacuna.engine.train.trainer import Step, TrainConfig, Trainer, Windows
from lacuna.engine.train.windows_ahead import WindowsAhead

METRICS = "metrics.jsonl"
RANK = 16  # of an adapter that is begun anew
CUTTERS = 4  # processes that cut windows for a GPU
TARGETS = sorted(name.split(".")[-1] for names in STACKS.values() for name in names)


@dataclass(frozen=True)
class Budget:
    """A run ends when either is used up; 0 for no limit."""

    seconds: float = 0.0
    gaps: int = 0

    def left(self, start: Progress) -> Callable[[Progress], float]:
        """The share that is left of a run that began at `start`."""

        def share(now: Progress) -> float:
            used = [0.0]
            if self.seconds:
                used.append((now.seconds - start.seconds) / self.seconds)
            if self.gaps:
                used.append((now.gaps - start.gaps) / self.gaps)
            return max(0.0, 1.0 - max(used))

        return share


class Run:
    """One run: goes on where it was left in `target`, or else begins with the adapter in `start`."""

    unit = "gaps"

    def __init__(
        self,
        model: str,
        documents: Iterable[Document],
        target: Path,
        config: TrainConfig,
        *,
        start: Path | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int = 0,
        rank: int = RANK,
    ) -> None:
        """`start`: an adapter's directory; the model's own where it is None. `device`: "auto" is CUDA where it is, else
        the CPU, as mps was never tried. `threads`: of the CPU, where it is the device; 0 chooses. `rank`: the factors',
        of an adapter that is begun anew.

        Raises ModelMissing, WeightsError, and ValueError where there is nothing to train on, no such device, or a
        config that can't be run.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        chosen = runtime.choose(device, "auto", threads)
        directory = start or loading.adapter_directory(model)
        config_of_base = loading.read_config(model_store.find(model))
        begun = lora.load(directory, config_of_base, model) if directory is not None else None
        self._words = _words(begun, rank, model)
        gap, is_fim = self._words["gap"], GapConfig.is_fim(self._words)
        base = frozen.load(model, chosen, reads=not is_fim)
        self._lora = Lora(base.layers, self._words["r"], self._words["lora_alpha"], begun, {lora.MASK: base.noise})
        self._cutting = FIM_CUTTING if is_fim else TWO_READS_CUTTING
        # Who goes on from an adapter reads other windows than it was trained on.
        other = seed + int(gap.get("trained_gaps", 0))
        self._documents, self._seed, self._target = Documents(documents, other, self._cutting), seed, target
        self._tokenizer, self._tokenizer_file = base.tokenizer, model_store.find(model) / "tokenizer.json"
        self._on_cpu = chosen.device == "cpu"
        self.trainer = Trainer(_lesson(base, self._lora, self._words), self._lora, config, chosen.threads)
        if (kept := checkpoint.load(target)) is not None:
            self.trainer.resume(*kept)
        else:
            self.trainer.progress = Progress(earlier_gaps=gap.get("trained_gaps", 0))

    def steps(self, budget: Budget) -> Iterator[Step]:
        """Trains, step by step; afterwards `target` holds the run's state, its metrics and the adapter.

        Raises ValueError where the memory does not suffice.
        """
        self._target.mkdir(parents=True, exist_ok=True)
        left = budget.left(self.trainer.progress)
        with _explained(), self._windows() as windows, (self._target / METRICS).open("a", encoding="utf-8") as metrics:
            for step in self.trainer.run(windows, left, self._target):
                metrics.write(json.dumps(row(step)) + "\n")
                metrics.flush()
                yield step
        self._export()

    def measure(self, documents: Iterable[Document], windows: int) -> Measure:
        """How well the gaps of other documents are denoised now. Raises ValueError as `steps` does."""
        read = Documents(documents, self._seed, self._cutting)
        with _explained():
            return cast(Measure, self.trainer.measure(partial(read.window, tokenizer=self._tokenizer), windows))

    @contextmanager
    def _windows(self) -> Iterator[Windows]:
        if self._on_cpu:
            yield partial(self._documents.window, tokenizer=self._tokenizer)
            return
        ahead = WindowsAhead(self._documents, self._tokenizer_file, CUTTERS)
        try:
            yield ahead.window
        finally:
            ahead.close()

    def _export(self) -> None:
        progress = self.trainer.progress
        gap = {**self._words["gap"], "trained_gaps": progress.earlier_gaps + progress.gaps}
        checkpoint.export(self._target, {**self._words, "gap": gap}, dict(self._lora.parameters()))


def _words(begun: lora.Adapter | None, rank: int, model: str) -> dict[str, Any]:
    """An adapter's metadata. One that is begun anew is for a base in the FIM layout, which it names, but by no path."""
    if begun is None:
        gap: dict[str, Any] = {"layout": FIM}
        words = {"r": rank, "lora_alpha": 2 * rank, "target_modules": TARGETS, "gap": gap}
        return words if named_path.path(model) else {lora.BASE: model, **words}
    gap = dict(begun.config["gap"])
    if not GapConfig.is_fim(begun.config):
        # One that was trained with suffixes that the base read learns anew what a suffix is: 2,000 gaps or so.
        gap["adapted_suffix"] = True
    return {**begun.config, "target_modules": TARGETS, "gap": gap}


def _lesson(base: Frozen, factors: Lora, words: Mapping[str, Any]) -> Lesson:
    if GapConfig.is_fim(words):
        return FimLesson(base, factors, templates.markers(base.tokenizer.marker))
    return TwoReadsLesson(base, factors, GapConfig.from_adapter(words))


@contextmanager
def _explained() -> Iterator[None]:
    """What a run of the trainer may end with, in words for people."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ValueError("the GPU has too little memory left, a run takes 7 GB or more: try `--device cpu`") from error
    except BrokenProcessPool as error:
        raise ValueError("a process that cuts windows was ended, perhaps for want of memory") from error


def row(step: Step) -> dict[str, float]:
    measured = {**asdict(step.measure), "rate": step.rate, "gradient_norm": step.gradient_norm}
    return {**asdict(step.progress), **{name: round(value, 6) for name, value in measured.items()}}
