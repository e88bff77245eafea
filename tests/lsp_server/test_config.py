"""Settings: what an editor may send, and what becomes of it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from lacuna.lsp_server.config import ALIASES, Config, camel_case, from_client
from lacuna.lsp_server.model.auto import AUTO


def accepted(settings: object, base: Config | None = None) -> Config:
    config, problems = from_client(settings, base)
    assert problems == []
    return config


@pytest.mark.parametrize("settings", [None, {}, [], {"lacuna": {}}, {"lacuna": []}, {"lacuna": None}])
def test_nothing_needs_to_be_set(settings: object) -> None:
    assert accepted(settings) == Config()


def test_the_default_model_is_the_best_that_is_pulled() -> None:
    assert Config().model == AUTO


def test_names_may_be_in_a_section_and_in_camel_case() -> None:
    expected = Config(budget_ms=80, disabled_languages=("markdown",), excluded=("*.gen.py",))
    plain = {"budget_ms": 80, "disabled_languages": ["markdown"], "excluded": ["*.gen.py"]}
    camel = {"budgetMs": 80.0, "disabledLanguages": ["markdown"], "excluded": ["*.gen.py"]}
    assert accepted(plain) == accepted({"lacuna": plain}) == accepted(camel) == expected


def test_what_is_not_sent_stays_as_it_was_at_the_start() -> None:
    base = accepted({"confidence": 0.9, "num_candidates": 2})
    assert accepted({"confidence": 1}, base) == Config(confidence=1.0, num_candidates=2)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"budget": 3}, "unknown setting 'budget', did you mean 'budget_ms'?"),
        ({"zzz": 3}, "unknown setting 'zzz'"),
        ({"enabled": 1}, "'enabled' must be true or false, not 1"),
        ({"enabled": None}, "'enabled' must be true or false, not None"),
        ({"threads": True}, "'threads' must be a whole number from 0 to 256, not True"),
        ({"numCandidates": 0}, "'numCandidates' must be a whole number from 1 to 6, not 0"),
        ({"maxLines": 2.5}, "'maxLines' must be a whole number from 1 to 100, not 2.5"),
        ({"debounce_ms": float("inf")}, "'debounce_ms' must be a whole number from 0 to 5000, not inf"),
        ({"confidence": float("nan")}, "'confidence' must be a number from 0 to 1, not nan"),
        ({"device": "gpu"}, "'device' must be one of 'auto', 'cpu', 'cuda', 'mps', not 'gpu'"),
        ({"device": ["cpu"]}, "'device' must be one of 'auto', 'cpu', 'cuda', 'mps', not ['cpu']"),
        ({"model": 3}, "'model' must be a text, not 3"),
        ({"excluded": "*.py"}, "'excluded' must be a list of texts, not '*.py'"),
        ({"excluded": [1]}, "'excluded' must be a list of texts, not [1]"),
        ("on", "the settings are an object of names and values, not 'on'"),
    ],
)
def test_what_cannot_be_taken_is_named_and_the_rest_holds(settings: object, problem: str) -> None:
    assert from_client(settings) == (Config(), [problem])
    if isinstance(settings, dict):
        config, problems = from_client({**settings, "completion": "both"})
        assert (config, problems) == (Config(completion="both"), [problem])


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan"), 1e300])
def test_numbers_of_any_size_are_refused(number: float) -> None:
    for name in ("threads", "confidence", "budget_ms"):
        config, problems = from_client({name: number})
        assert config == Config() and len(problems) == 1 and len(problems[0]) < 200


@pytest.mark.parametrize(("old", "new"), ALIASES.items())
def test_an_old_name_is_taken_and_its_new_one_told(old: str, new: str) -> None:
    assert old not in {field.name for field in fields(Config)}
    value, other = getattr(Config(), new) + 1, getattr(Config(), new) + 2
    told = f"the setting {old!r} is called {new!r} now ({camel_case(new)!r} where names are in camelCase)"
    assert from_client({old: value}) == (replace(Config(), **{new: value}), [told])
    for settings in ({old: value, new: other}, {camel_case(new): other, old: value}):
        assert from_client(settings) == (replace(Config(), **{new: other}), [told]), "the new name wins"
    config, problems = from_client({old: "x"})
    assert config == Config()
    assert problems[0] == told and problems[1].startswith(f"{old!r} must be"), "the name that was sent"


def test_a_pattern_that_is_none_is_named() -> None:
    config, problems = from_client({"excluded": ["*.py", "!"]})
    assert config == Config()
    assert len(problems) == 1 and "'!'" in problems[0]


def test_every_value_of_a_default_config_can_be_sent_back() -> None:
    values = {field.name: getattr(Config(), field.name) for field in fields(Config)}
    assert (
        accepted({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})
        == Config()
    )


def test_only_what_the_model_needs_loads_it_anew() -> None:
    choice = Config().model_choice
    assert accepted({"confidence": 0.9, "num_candidates": 2}).model_choice == choice
    for setting in ({"model": "x"}, {"device": "cpu"}, {"dtype": "float32"}, {"threads": 1}):
        assert accepted(setting).model_choice != choice
