"""A run that trains an edits adapter, which stands on top of the model's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from torch import Tensor

from lacuna.engine.device import runtime
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.layers.packed_linear import floats
from lacuna.engine.store import named_path
from lacuna.engine.train import checkpoint, frozen
from lacuna.engine.train.checkpoint import Progress
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits.edit_lesson import EditLesson, EditMeasure
from lacuna.engine.train.edits.histories import Histories
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.run import METRICS, TARGETS, Budget, row
from lacuna.engine.train.trainer import Step, TrainConfig, Trainer

RANK = 16


class EditRun:
    """Goes on where it was left in `target`, or else begins with the edits adapter in `start`, or anew."""

    unit = "windows"

    def __init__(
        self,
        model: str,
        files: Iterable[ChangedFile],
        target: Path,
        config: TrainConfig,
        *,
        start: Path | None = None,
        seed: int = 0,
        threads: int = 0,
        rank: int = RANK,
    ) -> None:
        """On the CPU. `rank`: the factors', of an adapter that is begun anew. Raises ModelMissing, WeightsError, and
        ValueError where there is nothing to learn from, or the model is not in the FIM layout."""
        if not loading.is_fim(loading.adapter_directory(model)):
            raise ValueError(f"next edits are taught to bases in the FIM layout alone, and {model} is none")
        chosen = runtime.choose("cpu", "auto", threads)
        base = frozen.load(model, chosen, reads=False)
        begun = None if start is None else lora.load(start, base.decoder.config, model, {})
        rank, alpha = (rank, 2 * rank) if begun is None else (begun.config["r"], begun.config["lora_alpha"])
        named = {} if named_path.path(model) else {lora.BASE: model}
        self._words = {**named, "r": rank, "lora_alpha": alpha, "target_modules": TARGETS}
        self._lora = Lora(adapted(base, model, chosen), rank, alpha, begun, {})
        earlier = 0 if begun is None else begun.config.get("edits", {}).get("trained_windows", 0)
        # Who goes on from an adapter reads other histories than it was trained on.
        self._histories, self._target = Histories(files, seed + earlier), target
        self.trainer = Trainer(EditLesson(base, self._lora), self._lora, config, chosen.threads)
        if (kept := checkpoint.load(target)) is not None:
            self.trainer.resume(*kept)
        else:
            self.trainer.progress = Progress(earlier_gaps=earlier)

    def steps(self, budget: Budget) -> Iterator[Step]:
        """As those of `Run`."""
        self._target.mkdir(parents=True, exist_ok=True)
        left = budget.left(self.trainer.progress)
        with (self._target / METRICS).open("a", encoding="utf-8") as metrics:
            for step in self.trainer.run(self._histories.history, left, self._target):
                metrics.write(json.dumps(row(step)) + "\n")
                metrics.flush()
                yield step
        self._export()

    def measure(self, files: Iterable[ChangedFile], count: int) -> EditMeasure:
        """How well the windows of other histories are known now."""
        return cast(EditMeasure, self.trainer.measure(Histories(files, 0).history, count))

    def _export(self) -> None:
        progress = self.trainer.progress
        words = {**self._words, "edits": {"trained_windows": progress.earlier_gaps + progress.gaps}}
        checkpoint.export(self._target, words, dict(self._lora.parameters()))


def adapted(base: Frozen, model: str, chosen: Runtime) -> list[Mapping[str, Tensor]]:
    """The base's layers with the model's own adapter merged into them, where it has one."""
    directory = loading.adapter_directory(model)
    if directory is None:
        return base.layers
    adapter = lora.load(directory, base.decoder.config, model)
    merged = (adapter.merged(number, layer, chosen) for number, layer in enumerate(base.layers))
    return [{name: floats(weight) for name, weight in layer.items()} for layer in merged]
