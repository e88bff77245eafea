"""The head's kernels in Triton's interpreter against torch; test_kernels_interpreted.py runs it in its own process."""

from __future__ import annotations

import pytest
import torch

from lacuna.engine.families.diffusion_gemma.entropy_bound import draw, propose
from lacuna.engine.kernels.head_statistics import reference, statistics, to_probabilities

CAP = 30.0
# rows, vocab, tile, spread of the logits, temperature
SIZES = [
    (1, 1, 64, 5.0, 0.7),
    (1, 97, 128, 8.0, 0.5),
    (2, 97, 32, 8.0, 0.5),
    (3, 1000, 256, 20.0, 0.4),
    (2, 4099, 2048, 100.0, 0.8),  # at the cap, more often than not
    (1, 777, 256, 0.0, 1.0),  # all alike
    (4, 50, 16, 1.0, 1.0),
]


def drawn_logits(rows: int, vocab: int, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows * vocab)
    return torch.randn(rows, vocab, generator=generator) * spread, torch.rand(rows, generator=generator)


@pytest.mark.parametrize(
    ("rows", "vocab", "tile", "spread", "temperature", "dtype"),
    [
        *((*size, torch.float32) for size in SIZES),
        *((*SIZES[1], dtype) for dtype in (torch.float16, torch.bfloat16)),
        (*SIZES[3], torch.float16),
    ],
)
def test_as_torch_has_it(
    rows: int, vocab: int, tile: int, spread: float, temperature: float, dtype: torch.dtype
) -> None:
    logits, uniform = drawn_logits(rows, vocab, spread)
    logits = logits.to(dtype)
    found = statistics(logits, CAP, temperature, uniform, tile)
    expected, probabilities = reference(logits, CAP, temperature, uniform)
    assert found.best.equal(expected.best)
    assert found.drawn.equal(expected.drawn)
    for mine, other in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.log_sum_exp, expected.log_sum_exp, rtol=1e-5, atol=1e-5)
    written = to_probabilities(logits, CAP, temperature, found.highest, found.confidence, tile)
    assert written is logits
    torch.testing.assert_close(written, probabilities.to(dtype), rtol=torch.finfo(dtype).eps * 2, atol=1e-6)


@pytest.mark.parametrize("number", [0.3, 0.9, 1 - 2**-24])
def test_as_the_model_decides(number: float) -> None:
    """`propose` and `draw` are what the model does without these kernels."""
    logits, _ = drawn_logits(5, 333, 3.0)
    uniform = torch.full((5,), number)
    found = statistics(logits, CAP, 0.6, uniform, 128)
    proposal = propose(((logits / CAP).tanh() * CAP)[None], 0.6)
    tokens = draw(proposal, uniform[None], torch.ones(1, 5, dtype=torch.bool))
    assert found.best.equal(proposal.best[0])
    assert found.drawn.equal(tokens[0])
    torch.testing.assert_close(found.confidence, proposal.confidence[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.entropy, proposal.entropy[0], rtol=1e-5, atol=1e-5)


def test_of_equals_the_first_is_best() -> None:
    logits = torch.zeros(3, 100)
    logits[1, [40, 41, 99]] = 2.0  # in one tile and in two
    logits[2, [31, 32]] = 1e30  # both at the cap
    assert statistics(logits, CAP, 1.0, torch.zeros(3), 32).best.tolist() == [0, 40, 31]


def test_impossible_tokens_have_no_part() -> None:
    """Whole tiles of them, too, and whatever number falls."""
    logits = torch.full((5, 300), -torch.inf)
    logits[:, [70, 71, 200]] = torch.tensor([1.0, 2.0, 3.0])
    uniform = torch.tensor([0.0, 0.6, 0.70, 0.91, 1 - 2**-24])
    found = statistics(logits, CAP, 1.0, uniform, 32)
    expected, probabilities = reference(logits, CAP, 1.0, uniform)
    assert found.best.tolist() == [200] * 5
    assert found.drawn.tolist() == expected.drawn.tolist() == [200, 200, 70, 71, 71]
    torch.testing.assert_close(found.entropy, expected.entropy)
    torch.testing.assert_close(to_probabilities(logits, CAP, 1.0, found.highest, found.confidence, 32), probabilities)


def test_one_possible_token_is_sure() -> None:
    logits = torch.full((2, 100), -torch.inf)
    logits[0, 99], logits[1, 0] = 12.0, -1e30
    found = statistics(logits, CAP, 0.5, torch.full((2,), 1 - 2**-24), 32)
    assert found.best.tolist() == found.drawn.tolist() == [99, 0]
    assert found.confidence.tolist() == [1.0, 1.0]
    assert found.entropy.tolist() == [0.0, 0.0]


def test_near_certain_positions_keep_their_small_entropy() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, 3] = 1e4
    exact = torch.distributions.Categorical(logits=((logits / CAP).tanh() * CAP).double()).entropy()
    found = statistics(logits, CAP, 1.0, torch.zeros(1), 128)
    assert found.entropy.item() == pytest.approx(exact.item(), abs=1e-9)


def test_samples_follow_the_distribution() -> None:
    logits = torch.tensor([[0.5, 2.0, 1.0, -3.0, 0.0, 1.9]]).repeat(20, 1)
    uniform = (torch.arange(20) + 0.5) / 20
    found = statistics(logits, CAP, 1.0, uniform, 4)
    shares = found.drawn.bincount(minlength=6) / 20
    assert torch.allclose(shares, reference(logits, CAP, 1.0, uniform)[1][0], atol=1 / 15)


def test_a_number_that_is_none_stays_inside_the_vocabulary() -> None:
    logits = torch.full((1, 70), torch.nan)
    found = statistics(logits, CAP, 1.0, torch.full((1,), 0.5), 32)
    assert 0 <= found.best.item() < 70
    assert 0 <= found.drawn.item() < 70
