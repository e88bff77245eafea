"""What a hole holds is learned from the base and the text, where it ends from the text alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lacuna.engine.train.batch import Targets
from lacuna.engine.train.loss import BASE_SHARE, CANVAS_WEIGHT, distilled, loss

VOCABULARY, ENDS = 7, (5, 6)


def targets(tokens: list[int], read: list[bool]) -> Targets:
    count = len(tokens)
    return Targets(
        rows=torch.arange(count),
        tokens=torch.tensor(tokens),
        weights=torch.ones(count),
        first=~torch.tensor(read),
        read=torch.tensor(read),
        canvases=torch.zeros(count, dtype=torch.long),
        readings=torch.ones(1, dtype=torch.bool),
    )


def by_hand(logits: Tensor, base: Tensor, token: int) -> float:
    """Of one position, from probabilities."""
    said, label = logits.softmax(-1).tolist(), base.softmax(-1).tolist()
    if token in ENDS:
        return -math.log(said[token])
    goes_on, base_goes_on = (1 - sum(each[end] for end in ENDS) for each in (said, label))
    wanted = [BASE_SHARE * p / base_goes_on + (1 - BASE_SHARE) * (at == token) for at, p in enumerate(label)]
    inside = (-wanted[at] * math.log(said[at] / goes_on) for at in range(VOCABULARY) if at not in ENDS)
    return -math.log(goes_on) + sum(inside)


def test_the_loss_is_that_of_its_two_decisions() -> None:
    torch.manual_seed(0)
    logits, base = 3 * torch.randn(4, VOCABULARY), 3 * torch.randn(4, VOCABULARY)
    tokens, read = [1, 5, 0, 6], [True, True, False, False]
    weights = [1.0, 1.0, CANVAS_WEIGHT, CANVAS_WEIGHT]
    expected = sum(weights[at] * by_hand(logits[at], base[at], token) for at, token in enumerate(tokens)) / 4
    assert float(distilled(logits, base, targets(tokens, read), ENDS)[0]) == pytest.approx(expected, rel=1e-5)


def test_what_is_said_of_a_step_is_of_the_text() -> None:
    torch.manual_seed(1)
    logits, base = torch.randn(4, VOCABULARY), torch.randn(4, VOCABULARY)
    learned = targets([1, 5, 0, 6], [True, True, False, False])
    torch.testing.assert_close(distilled(logits, base, learned, ENDS)[1], loss(logits, learned)[1])


def test_a_model_that_agrees_with_its_base_learns_nothing_but_ends_where_the_text_does_so_too() -> None:
    """The base is sure of the text's token; how likely an end is, it says by itself."""
    base = torch.full((1, VOCABULARY), -20.0)
    base[0, 1], base[0, 5] = 20.0, 19.0
    logits = base.clone().requires_grad_()
    distilled(logits, base, targets([1], [True]), ENDS)[0].backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == pytest.approx(-float(logits.grad[0, 5]), rel=1e-4)
    assert logits.grad[0, 5] == pytest.approx(float(base.softmax(-1)[0, 5]), rel=1e-4)
