"""What is learned of a history: its windows as they will be, most of which stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lacuna.engine.train.edits import edit_batch
from lacuna.engine.train.edits.edit_batch import EditBatch
from lacuna.engine.train.edits.lesson_windows import Lesson as Window
from lacuna.engine.train.fim_pass import FimPass
from lacuna.engine.train.frozen import Frozen
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.loss import cross_entropy

DOUBT = 0.3  # q of the loss
TOKENS = 100.0  # over which a loss is a mean: most tokens of a window are copied, and cost nothing


@dataclass(frozen=True)
class EditMeasure:
    """How well next edits are known."""

    changed: float  # cross-entropy of a window that changes, nats
    kept: float  # and of one that stays
    changed_right: float  # shares of the windows whose tokens are all right where all before them are given
    kept_right: float

    @property
    def in_words(self) -> str:
        return (
            f"windows that change {self.changed:.2f} nats, right {self.changed_right:.0%}; "
            f"that stay {self.kept:.2f}, {self.kept_right:.0%}"
        )


@dataclass(frozen=True)
class EditSums:
    """Over windows."""

    changing: float
    changed: float
    changed_right: float
    staying: float
    kept: float
    kept_right: float
    positions: float

    @property
    def examples(self) -> float:
        return self.changing + self.staying

    @property
    def measure(self) -> EditMeasure:
        changing, staying = max(1.0, self.changing), max(1.0, self.staying)
        return EditMeasure(
            self.changed / changing, self.kept / staying, self.changed_right / changing, self.kept_right / staying
        )


class EditLesson:
    is_captured = False

    def __init__(self, frozen: Frozen, lora: Lora) -> None:
        self._frozen = frozen
        self._pass = FimPass(frozen, lora, learns_prefix=True)

    def draw(self, window: Sequence[Window], number: int) -> EditBatch | None:
        """Of the windows of a history."""
        return edit_batch.batch(window, self._frozen.tokenizer)

    def loss(self, drawn: EditBatch) -> tuple[Tensor, Tensor]:
        drawn = drawn.to(self._frozen.decoder.device)
        entropy, best = cross_entropy(self._pass(drawn.rows)[drawn.learned], self._frozen.head, drawn.tokens)
        return robust(entropy).sum() / TOKENS, _sums(drawn, entropy.detach(), best != drawn.tokens)

    def sums(self, parts: Sequence[Tensor]) -> EditSums:
        return EditSums(*(torch.stack(list(parts)).sum(0).tolist() if parts else [0.0] * len(fields(EditSums))))


def robust(entropy: Tensor) -> Tensor:
    """Generalized cross-entropy (arXiv 1805.07836), (1 - p^q) / q: what nobody could have foreseen pulls less. It
    goes to cross-entropy where q goes to 0."""
    return -torch.expm1(-DOUBT * entropy) / DOUBT


def _sums(drawn: EditBatch, entropy: Tensor, wrong: Tensor) -> Tensor:
    """What `EditSums` names."""
    zero = torch.zeros(len(drawn.changes), device=entropy.device)
    nats, errors = zero.index_add(0, drawn.runs, entropy), zero.index_add(0, drawn.runs, wrong.float())
    sums = list[Tensor]()
    for some in (drawn.changes, ~drawn.changes):
        sums += [some.sum(), nats @ some.float(), ((errors == 0) & some).sum()]
    return torch.stack([value.float() for value in (*sums, torch.tensor(len(wrong)))])
