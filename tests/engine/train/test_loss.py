"""The loss in parts is torch's own over all positions at once, its gradient too."""

from __future__ import annotations

import torch
from torch.nn import functional

from lacuna.engine.train import loss
from lacuna.engine.train.batch import Targets


def test_in_parts_it_is_what_torch_computes_at_once() -> None:
    torch.manual_seed(0)
    positions, vocab, hidden = 2 * loss.POSITIONS + 5, 37, 8
    head, tokens = torch.randn(vocab, hidden), torch.randint(vocab, (positions,))
    read = torch.rand(positions) < 0.5
    canvases = torch.arange(positions) % 4
    readings = torch.tensor([True, True, True, False])
    targets = Targets(torch.arange(positions), tokens, torch.rand(positions), ~read, read, canvases, readings)
    states = torch.randn(positions, hidden, requires_grad=True)

    entropy = functional.cross_entropy(states @ head.T, tokens, reduction="none")
    scale = torch.where(read, loss.READER_WEIGHT, loss.CANVAS_WEIGHT)
    expected = (entropy * targets.weights * scale).sum() / positions
    found, sums = loss.loss(states, head, targets)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, states), torch.autograd.grad(expected, states), atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(sums[1], entropy.detach()[~read].sum())
    right = (states @ head.T).argmax(-1) == tokens
    assert sums[2] == (right & ~read).sum()
