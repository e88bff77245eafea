"""How many candidates fit into the time of an automatic request."""

from __future__ import annotations

from lacuna.lsp_server.completion.draft_budget import REMEMBERED, DraftBudget


def after(*requests: tuple[float, float, int]) -> DraftBudget:
    """A budget that has seen requests: milliseconds of prefill, and of decoding, for so many candidates."""
    budget = DraftBudget()
    for prefill, decoding, candidates in requests:
        budget.spent({"prefill": prefill, "denoise": decoding * 0.75, "rerank": decoding * 0.25}, candidates)
    return budget


def test_one_until_it_is_known_what_a_draft_takes() -> None:
    assert after().candidates(10_000.0, 6) == 1


def test_as_many_as_fit() -> None:
    assert after((20.0, 60.0, 1)).candidates(150.0, 6) == 2
    assert after((20.0, 120.0, 2)).candidates(150.0, 6) == 2, "60 for each of them"
    assert after((20.0, 20.0, 1)).candidates(150.0, 6) == 6
    assert after((20.0, 20.0, 1)).candidates(150.0, 3) == 3, "no more than are wanted"


def test_never_none() -> None:
    assert after((500.0, 500.0, 1)).candidates(150.0, 6) == 1
    assert after((20.0, 20.0, 1)).candidates(0.0, 6) == 1
    assert after((0.0, 0.0, 1)).candidates(150.0, 6) == 6


def test_one_slow_request_is_forgiven_and_a_machine_that_has_become_slow_is_noticed() -> None:
    fast, slow = (20.0, 20.0, 1), (20.0, 200.0, 1)
    assert after(*[fast] * 5, slow).candidates(150.0, 6) == 6
    assert after(*[fast] * 50, *[slow] * REMEMBERED).candidates(150.0, 6) == 1
