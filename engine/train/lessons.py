"""What is learned of a window: its gaps as a batch, and the loss of that, in each of the two layouts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Protocol

import torch
from torch import Tensor

from lacuna.engine.families.gap.denoiser import GapConfig
from lacuna.engine.families.gap.fim.templates import Markers
from lacuna.engine.train import fim_batch, reads
from lacuna.engine.train.batch import Batch, batch
from lacuna.engine.train.canvas_pass import CanvasPass
from lacuna.engine.train.fim_batch import FimBatch
from lacuna.engine.train.fim_pass import FimPass
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.gaps import Window
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.loss import Sums, loss
from lacuna.engine.train.padded import Capacity, padded

CAPACITY = Capacity()  # of a batch that is captured


class Learned(Protocol):
    """What is known after some batches."""

    @property
    def examples(self) -> float: ...

    @property
    def positions(self) -> float: ...

    @property
    def measure(self) -> Any:
        """A dataclass of numbers."""


class Lesson(Protocol):
    is_captured: bool  # all batches have one shape, and the pass is a CUDA graph

    def draw(self, window: Any, number: int) -> Any:
        """The batch of a window, whose number decides what is drawn; None where nothing could be cut."""

    def loss(self, drawn: Any) -> tuple[Tensor, Tensor]:
        """What is minimised, and what `sums` adds up, without gradients."""

    def sums(self, parts: Sequence[Tensor]) -> Learned: ...


class _GapLesson:
    def sums(self, parts: Sequence[Tensor]) -> Sums:
        return Sums(*(torch.stack(list(parts)).sum(0).tolist() if parts else [0.0] * len(fields(Sums))))


class TwoReadsLesson(_GapLesson):
    """Prefix and suffix are read apart; canvases of noise and drafts stand between."""

    def __init__(self, frozen: Frozen, lora: Lora, gap: GapConfig) -> None:
        self.is_captured = frozen.decoder.device == "cuda"
        self._frozen, self._gap = frozen, gap
        self._pass = CanvasPass(frozen.decoder, frozen.norms, lora, gap.suffix_distance)

    def draw(self, window: Window, number: int) -> Batch | None:
        if not window.gaps:
            return None
        sink, end, chance = self._gap.sink[0], self._gap.end_of_hole_token_id, random.Random(number)
        if not self.is_captured:
            return batch(window, sink, end, chance)
        return padded(batch(window, sink, end, chance, [length for length, _ in CAPACITY.canvases]), CAPACITY)

    def loss(self, drawn: Batch) -> tuple[Tensor, Tensor]:
        base = self._frozen.decoder
        drawn = drawn.to(base.device)
        hidden = self._pass(drawn, reads.read(drawn.ids, base))
        return loss(hidden.index_select(0, drawn.targets.rows), self._frozen.head, drawn.targets)


class FimLesson(_GapLesson):
    """The FIM layout: one set of adapted weights reads everything."""

    is_captured = False

    def __init__(self, frozen: Frozen, lora: Lora, markers: Markers) -> None:
        self._frozen, self._markers = frozen, markers
        self._pass = FimPass(frozen, lora)

    def draw(self, window: Window, number: int) -> FimBatch | None:
        return fim_batch.batch(window, self._markers, self._frozen.tokenizer, random.Random(number))

    def loss(self, drawn: FimBatch) -> tuple[Tensor, Tensor]:
        drawn = drawn.to(self._frozen.decoder.device)
        rows = self._pass(drawn.rows).index_select(0, drawn.targets.rows)
        return loss(rows, self._frozen.head, drawn.targets)
