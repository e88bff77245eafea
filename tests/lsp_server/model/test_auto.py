"""Which model "auto" is, as a function of what is pulled, how fast it was, and how much memory there is."""

from __future__ import annotations

import pytest

from lacuna.engine.families.gap.loading import ADAPTERS
from lacuna.engine.store.named_models import DEFAULT_PULL, NAMED_MODELS
from lacuna.lsp_server.model.auto import (
    AUTO,
    CANDIDATE_NAMES,
    CANDIDATES,
    AutoChoice,
    Pulled,
    choose,
    is_better,
    is_fast_enough,
    offers,
    to_pull,
)

LARGE, MIDDLE, SMALL = CANDIDATE_NAMES
GIGABYTE = 1_000_000_000


def passed_over(choice: AutoChoice) -> dict[str, str]:
    return {other.model: other.reason for other in choice.passed_over}


def test_every_candidate_can_be_pulled_and_so_can_the_first() -> None:
    assert set(CANDIDATE_NAMES) <= set(NAMED_MODELS)
    assert DEFAULT_PULL in CANDIDATE_NAMES
    assert AUTO not in NAMED_MODELS
    assert [NAMED_MODELS[name].size for name in CANDIDATE_NAMES] == sorted(
        (model.size for model in NAMED_MODELS.values()), reverse=True
    ), "each is smaller than the one before"


@pytest.mark.parametrize("name", CANDIDATE_NAMES)
def test_a_single_one_is_taken_whatever_is_known_of_it(name: str) -> None:
    assert choose({name: Pulled()}).model == name
    assert not choose({name: Pulled()}).is_to_be_measured, "it would be taken anyway"
    assert "the only one that is pulled" in choose({name: Pulled(20.0)}).why
    slow = choose({name: Pulled(9_999.0)}, 1)
    assert (slow.model, slow.is_to_be_measured) == (name, False)
    assert "too slow here: 9999 ms" in slow.why
    assert "too large" in choose({name: Pulled(needed=2)}, 1).why
    assert name not in passed_over(slow)


def test_nothing_is_pulled() -> None:
    choice = choose({})
    assert choice.model == DEFAULT_PULL and "nothing is pulled" in choice.why
    assert passed_over(choice) == dict.fromkeys((n for n in CANDIDATE_NAMES if n != DEFAULT_PULL), "not pulled")


def test_the_best_that_is_pulled() -> None:
    unknown = {name: Pulled() for name in CANDIDATE_NAMES}
    assert choose(unknown).model == LARGE
    del unknown[LARGE]
    assert choose(unknown).model == MIDDLE
    assert passed_over(choose(unknown)) == {LARGE: "not pulled"}


@pytest.mark.parametrize("candidate", CANDIDATES[:-1], ids=lambda candidate: candidate.name)
def test_the_budget_decides(candidate: object) -> None:
    assert isinstance(candidate, type(CANDIDATES[0]))
    others = {name: Pulled(10.0) for name in CANDIDATE_NAMES if is_better(candidate.name, name)}
    just = choose({candidate.name: Pulled(candidate.budget_ms), **others})
    assert (just.model, just.is_to_be_measured) == (candidate.name, False)
    slow = choose({candidate.name: Pulled(candidate.budget_ms + 1.0), **others})
    assert slow.model == next(iter(others))
    reason = passed_over(slow)[candidate.name]
    assert reason.startswith(f"too slow here: {candidate.budget_ms + 1.0:.0f} ms")
    assert f"`lacuna doctor --model {candidate.name}` measures it again" in reason


def test_the_budgets() -> None:
    assert [(one.name, one.budget_ms) for one in CANDIDATES] == [
        ("qwen2.5-coder-1.5b", 300.0),
        ("qwen2.5-coder-0.5b", 150.0),
        ("smollm2-135m", 150.0),
    ]


def test_it_is_measured_where_another_one_would_do() -> None:
    assert choose({MIDDLE: Pulled(), SMALL: Pulled()}).is_to_be_measured
    assert not choose({MIDDLE: Pulled(20.0), SMALL: Pulled()}).is_to_be_measured
    assert not choose({MIDDLE: Pulled(), SMALL: Pulled(999.0)}).is_to_be_measured, "the other one is slow as well"
    assert not choose({MIDDLE: Pulled(999.0), SMALL: Pulled()}).is_to_be_measured, "there is none after the last"


def test_what_does_not_fit_into_memory() -> None:
    pulled = {MIDDLE: Pulled(needed=2 * GIGABYTE), SMALL: Pulled(needed=GIGABYTE)}
    assert choose(pulled, 2 * GIGABYTE).model == MIDDLE
    assert choose(pulled, None).model == MIDDLE
    choice = choose(pulled, 2 * GIGABYTE - 1)
    assert choice.model == SMALL
    assert passed_over(choice)[MIDDLE] == "too large: it needs 2.00 GB, and 2.00 GB are available"


def test_where_something_speaks_against_all_the_smallest_is_taken() -> None:
    pulled = {LARGE: Pulled(999.0), MIDDLE: Pulled(999.0), SMALL: Pulled(needed=2)}
    choice = choose(pulled, 1)
    assert choice.model == SMALL and "the smallest that can be used, though too large" in choice.why
    assert list(passed_over(choice)) == [LARGE, MIDDLE]


def test_an_adapter_wants_its_own_model() -> None:
    pulled = {MIDDLE: Pulled(999.0), SMALL: Pulled(20.0, takes_adapter=False)}
    choice = choose(pulled)
    assert choice.model == MIDDLE and "too slow" in choice.why, "an adapter of another shape cannot be loaded at all"
    assert "made for another model" in passed_over(choice)[SMALL]
    foreign = {name: Pulled(takes_adapter=False) for name in (MIDDLE, SMALL)}
    assert choose(foreign).model == SMALL, "loading it says what is wrong"


def test_every_candidate_has_an_adapter() -> None:
    for candidate in CANDIDATES:
        assert (ADAPTERS / candidate.name / "adapter_model.safetensors").is_file()


def test_what_a_pull_would_bring() -> None:
    assert [offer.model for offer in offers(choose({SMALL: Pulled()}))] == [LARGE, MIDDLE]
    assert [offer.model for offer in offers(choose({LARGE: Pulled(999.0), SMALL: Pulled()}))] == [MIDDLE]
    assert offers(choose({MIDDLE: Pulled(999.0), SMALL: Pulled()})) == (), "what is larger would be slower still"
    assert [offer.model for offer in offers(choose({MIDDLE: Pulled()}))] == [LARGE]
    assert offers(choose({LARGE: Pulled()})) == ()
    [offer] = offers(choose({LARGE: Pulled(999.0), SMALL: Pulled()}))
    known = NAMED_MODELS[MIDDLE]
    assert (offer.fetched_bytes, offer.disk_bytes) == (known.size, known.disk_bytes)


def test_names_to_pull() -> None:
    assert to_pull(AUTO) == DEFAULT_PULL
    assert to_pull("owner/name") == "owner/name"


def test_fast_enough() -> None:
    assert is_fast_enough(LARGE, 300.0) and not is_fast_enough(LARGE, 300.1)
    assert is_fast_enough(MIDDLE, 150.0) and not is_fast_enough(MIDDLE, 300.0)
    assert not is_fast_enough("owner/name", 1.0)


def test_better_is_earlier() -> None:
    assert is_better(LARGE, SMALL) and not is_better(SMALL, LARGE) and not is_better(SMALL, SMALL)
    assert not is_better("owner/name", SMALL) and not is_better(LARGE, "owner/name")
