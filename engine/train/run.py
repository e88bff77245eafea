"""A training run from its parts: what to start from, what to read, where to keep what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from engine import adapter, gap_filler, runtime
from engine.models.gap import GapConfig
from engine.train import checkpoint, frozen
from engine.train.batch import LENGTHS
from engine.train.checkpoint import Progress
from engine.train.documents import Document, Documents
from engine.train.lora import STACKS, Lora
from engine.train.trainer import Step, TrainConfig, Trainer

METRICS = "metrics.jsonl"
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


def directory(name: str) -> Path:
    """Where a run of that name keeps its state, in the user's cache."""
    return platformdirs.user_cache_path("lacuna") / "training" / name


def train(
    model: str,
    documents: Iterable[Document],
    target: Path,
    budget: Budget,
    config: TrainConfig,
    *,
    start: Path | None = None,
    seed: int = 0,
    threads: int = 0,
) -> Iterator[Step]:
    """Trains an adapter for `model`, step by step; afterwards `target` holds the run's state and the adapter.

    Goes on from `target` where a run was left there, else from the adapter in `start` (the shipped one by default).
    Raises ModelMissing, WeightsError, ValueError.
    """
    chosen = runtime.choose("cpu", "auto", threads)
    base = frozen.load(model, chosen)
    first = start or gap_filler.adapter_directory(model)
    begun = adapter.load(first, base.llama.config)
    words: dict[str, Any] = dict(begun.config)
    lora = Lora(base.layers, words["r"], words["lora_alpha"], begun)
    words |= {"target_modules": TARGETS, "gap": {**words["gap"], "canvas_lengths": list(LENGTHS)}}
    trainer = Trainer(base, lora, GapConfig.from_adapter(words), Documents(documents, seed), config)
    if (kept := checkpoint.load(target)) is not None:
        trainer.resume(*kept)
    target.mkdir(parents=True, exist_ok=True)
    with (target / METRICS).open("a", encoding="utf-8") as metrics:
        for step in trainer.run(budget.left(trainer.progress), target):
            metrics.write(json.dumps({**asdict(step.progress), **_measured(step)}) + "\n")
            metrics.flush()
            yield step
    words["gap"]["trained_gaps"] = words["gap"].get("trained_gaps", 0) + trainer.progress.gaps
    checkpoint.export(target, words, dict(lora.parameters()))


def _measured(step: Step) -> dict[str, float]:
    measured = asdict(step)
    del measured["progress"]
    return {name: round(value, 6) for name, value in measured.items()}
