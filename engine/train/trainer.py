"""The training run: windows in, gradients, steps of AdamW, checkpoints.

One step: (1) some windows are drawn and cut into gaps; (2) the frozen base reads each window and its suffixes; (3) the
canvas pass and the loss, window by window, gradients added up; (4) AdamW; (5) the factors are merged anew.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.models.gap import GapConfig
from engine.threads import FreeCores
from engine.train import checkpoint, reads
from engine.train.batch import batch
from engine.train.canvas_pass import CanvasPass
from engine.train.checkpoint import Progress
from engine.train.documents import Documents
from engine.train.frozen import Frozen
from engine.train.lora import Lora
from engine.train.loss import Loss, loss

SAVE_SECONDS = 180.0


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
class Measure:
    """How well gaps are denoised; see `loss.Loss`."""

    canvas: float  # cross-entropy at the leftmost hidden position
    first_right: float  # shares
    reader: float  # cross-entropy of what is read from the left
    read_right: float
    all_right: float


@dataclass(frozen=True)
class Step:
    """What is known after a step."""

    progress: Progress
    rate: float
    measure: Measure  # of the gaps that the step learned from
    gradient_norm: float


class Trainer:
    def __init__(
        self, frozen: Frozen, lora: Lora, gap: GapConfig, documents: Documents, config: TrainConfig, threads: int
    ) -> None:
        """`threads`: CPU threads to use at most; fewer while other programs need the cores."""
        self.progress = Progress()
        self._free_cores = FreeCores(threads)
        self._frozen, self._lora, self._gap, self._documents, self._config = frozen, lora, gap, documents, config
        self._pass = CanvasPass(frozen.llama, frozen.norms, lora, gap.suffix_distance)
        self._parameters = dict(lora.parameters())
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
        lora.merge()

    def run(self, left: Callable[[Progress], float], directory: Path) -> Iterator[Step]:
        """Steps until `left`, the share of the run that is left, is 0. Saves every few minutes and at the end."""
        started = saved = time.monotonic()
        before = self.progress.seconds
        first = self.progress.steps
        while (share := left(self.progress)) > 0:
            warm = min(1.0, (self.progress.steps - first + 1) / self._config.warmup_steps)
            rate = self._config.learning_rate * warm * (share if self._config.decay else 1.0)
            measure, norm = self._step(rate)
            self.progress = replace(self.progress, seconds=before + time.monotonic() - started)
            yield Step(self.progress, rate, measure, norm)
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(directory)
                saved = time.monotonic()
        self.save(directory)

    def _step(self, rate: float) -> tuple[Measure, float]:
        """How well the gaps were denoised before it, and the norm of their gradient."""
        losses = [self._window(self.progress.windows + at) for at in range(self._config.windows_per_step)]
        found = [one for one in losses if one is not None]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._config.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._lora.merge()
        self.progress = replace(
            self.progress,
            windows=self.progress.windows + len(losses),
            gaps=self.progress.gaps + sum(one.firsts for one in found),
            tokens=self.progress.tokens + sum(one.tokens for one in found),
            steps=self.progress.steps + 1,
        )
        return _measure(found), float(norm)

    def _window(self, number: int) -> Loss | None:
        """Adds the gradients of one window's gaps; None where no gap could be cut."""
        found = self._loss(self._documents, number)
        if found is not None:
            (found.total / (found.tokens * self._config.windows_per_step)).backward()
        return found

    def _loss(self, documents: Documents, number: int) -> Loss | None:
        self._free_cores.update()
        window = documents.window(number, self._frozen.tokenizer)
        if not window.gaps:
            return None
        end = self._gap.end_of_hole_token_id
        drawn = batch(window, end, random.Random(number))
        read = reads.read(window, self._frozen.llama, self._gap.sink_token_id)
        return loss(self._pass(drawn.groups, read), drawn.groups, self._frozen.llama)

    @torch.no_grad()
    def measure(self, documents: Documents, windows: int) -> Measure:
        """How well the gaps of the first `windows` windows are denoised now."""
        found = [loss for number in range(windows) if (loss := self._loss(documents, number)) is not None]
        return _measure(found)

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
            self._optimizer.state[parameter] = {key: tensors[f"{name}|{key}"] for key in keys}
        self._lora.merge()


def _measure(losses: Sequence[Loss]) -> Measure:
    count = max(1, len(losses))
    return Measure(
        canvas=sum(one.canvas for one in losses) / count,
        first_right=sum(one.first_right for one in losses) / max(1, sum(one.firsts for one in losses)),
        reader=sum(one.reader for one in losses) / count,
        read_right=sum(one.read_right for one in losses) / max(1, sum(one.reads for one in losses)),
        all_right=sum(one.all_right for one in losses) / max(1, sum(one.alls for one in losses)),
    )
