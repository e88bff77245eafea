"""The training run: windows in, gradients, steps of AdamW, checkpoints.

One step: (1) some windows are drawn and cut into gaps; (2) their loss, window by window, gradients added up; (3) AdamW;
(4) the factors are merged anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lacuna.engine.device.cpu_threads import FreeCores
from lacuna.engine.train import checkpoint
from lacuna.engine.train.captured import Captured
from lacuna.engine.train.checkpoint import Progress
from lacuna.engine.train.lessons import Lesson
from lacuna.engine.train.lora import Lora

SAVE_SECONDS = 180.0
Windows = Callable[[int], Any]  # what a lesson draws from, by its number


@dataclass(frozen=True)
class TrainConfig:
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0  # of the gradient's norm
    windows_per_step: int = 2  # about 100 gaps
    warmup_steps: int = 30  # after every start: a resumed optimizer is warm, an adapter taken over is not
    decay: bool = False  # this run is a decay branch: the rate falls to 0 until its end


@dataclass(frozen=True)
class Step:
    """What is known after a step."""

    progress: Progress
    rate: float
    measure: Any  # of what the step learned from: a dataclass of numbers, the lesson's
    gradient_norm: float


class Trainer:
    def __init__(self, lesson: Lesson, lora: Lora, config: TrainConfig, threads: int) -> None:
        """`threads`: CPU threads to use at most, fewer while other programs need the cores; 0 where the passes run
        elsewhere."""
        self.progress = Progress()
        self._free_cores = FreeCores(threads) if threads else None
        self._lesson, self._lora, self._config = lesson, lora, config
        self._parameters = dict(lora.parameters())
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
        for parameter in self._parameters.values():
            parameter.grad = torch.zeros_like(parameter)
        parameters = list(self._parameters.values())
        # From a batch: its gradients are added up, and `Sums` are given back.
        self._learn = Captured(self._gradients, parameters) if lesson.is_captured else self._gradients
        lora.merge()

    def run(self, windows: Windows, left: Callable[[Progress], float], directory: Path) -> Iterator[Step]:
        """Steps until `left`, the share of the run that is left, is 0. Saves every few minutes and at the end."""
        started = saved = time.monotonic()
        before = self.progress.seconds
        first = self.progress.steps
        while (share := left(self.progress)) > 0:
            warm = min(1.0, (self.progress.steps - first + 1) / self._config.warmup_steps)
            rate = self._config.learning_rate * warm * (share if self._config.decay else 1.0)
            measure, norm = self._step(windows, rate)
            self.progress = replace(self.progress, seconds=before + time.monotonic() - started)
            yield Step(self.progress, rate, measure, norm)
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(directory)
                saved = time.monotonic()
        self.save(directory)

    def _step(self, windows: Windows, rate: float) -> tuple[Any, float]:
        """How well they were known before it, and the norm of their gradient."""
        count = self._config.windows_per_step
        drawn = (self._batch(windows, self.progress.windows + at) for at in range(count))
        learned = [self._learn(batch) for batch in drawn if batch is not None]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._config.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)
        self._lora.merge()
        sums = self._lesson.sums(learned)
        self.progress = replace(
            self.progress,
            windows=self.progress.windows + count,
            gaps=self.progress.gaps + int(sums.examples),
            tokens=self.progress.tokens + int(sums.positions),
            steps=self.progress.steps + 1,
        )
        return sums.measure, float(norm)

    def _batch(self, windows: Windows, number: int) -> Any:
        """None where nothing could be cut."""
        if self._free_cores is not None:
            self._free_cores.update()
        return self._lesson.draw(windows(number), number)

    def _gradients(self, drawn: Any) -> Tensor:
        total, sums = self._lesson.loss(drawn)
        (total / self._config.windows_per_step).backward()
        return sums

    @torch.no_grad()
    def measure(self, windows: Windows, count: int) -> Any:
        """How well the first `count` windows are known now."""
        drawn = (self._batch(windows, number) for number in range(count))
        return self._lesson.sums([self._lesson.loss(batch)[1] for batch in drawn if batch is not None]).measure

    def save(self, directory: Path) -> None:
        tensors = dict(self._parameters)
        for name, parameter in self._parameters.items():
            state = self._optimizer.state.get(parameter, {})
            tensors |= {f"{name}|{key}": value for key, value in state.items()}
        checkpoint.save(directory, self.progress, tensors)

    @torch.no_grad()
    def resume(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        """Goes on exactly where a checkpoint was taken."""
        self.progress = progress
        for name, parameter in self._parameters.items():
            parameter.copy_(tensors[name])
            keys = ("step", "exp_avg", "exp_avg_sq")
            state = {key: tensors[f"{name}|{key}"] for key in keys}
            # The count of steps stays where the optimizer keeps it, on the CPU.
            self._optimizer.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in state.items()
            }
        self._lora.merge()
