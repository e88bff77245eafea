"""What the model "auto" stands for: the best of what is pulled that is fast enough and fits. A table and a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lacuna.engine.store.named_models import DEFAULT_PULL, NAMED_MODELS

AUTO = "auto"  # the setting's value


@dataclass(frozen=True)
class Candidate:
    name: str
    budget_ms: float  # what half of the warm keystrokes may take at most


# The best first: each is smaller and faster than the one before, and has an adapter of ours.
CANDIDATES = (
    Candidate("qwen2.5-coder-1.5b", 300.0),
    Candidate("qwen2.5-coder-0.5b", 150.0),
    Candidate("smollm2-135m", 150.0),
)
CANDIDATE_NAMES = tuple(candidate.name for candidate in CANDIDATES)


@dataclass(frozen=True)
class Pulled:
    """What is known of a candidate that is on this machine; None where that is not known."""

    p50_ms: float | None = None  # of warm keystrokes, here
    needed: int | None = None  # bytes of memory
    takes_adapter: bool = True  # whether the adapter of the settings, if there is one, fits it


@dataclass(frozen=True)
class PassedOver:
    model: str
    reason: str


@dataclass(frozen=True)
class AutoChoice:
    model: str
    why: str
    passed_over: tuple[PassedOver, ...]  # better ones, the best first
    is_to_be_measured: bool  # its speed is not known, and another one would do if it is slow


@dataclass(frozen=True)
class Offer:
    """What `lacuna pull` would bring."""

    model: str
    fetched_bytes: int
    disk_bytes: int  # what fetching and converting take at their peak


def choose(pulled: Mapping[str, Pulled], available: int | None = None) -> AutoChoice:
    """The best candidate of those that are pulled which nothing speaks against; else the smallest that takes the
    adapter. What a pull without a name brings, where none is pulled.

    `available`: bytes of memory that a model can take; None where that is not known.
    """
    passed: list[PassedOver] = []
    for at, candidate in enumerate(CANDIDATES):
        fault = _fault(candidate, pulled.get(candidate.name), available)
        if fault is None:
            rest = [other for other in CANDIDATES[at + 1 :] if _fault(other, pulled.get(other.name), available) is None]
            is_to_be_measured = pulled[candidate.name].p50_ms is None and bool(rest)
            return AutoChoice(candidate.name, _why(candidate, pulled), tuple(passed), is_to_be_measured)
        passed.append(PassedOver(candidate.name, fault))
    return _last_resort(pulled, passed)


def is_better(one: str, other: str) -> bool:
    """Whether both are candidates, and one comes before the other."""
    names = CANDIDATE_NAMES
    return one in names and other in names and names.index(one) < names.index(other)


def is_fast_enough(model: str, p50_ms: float) -> bool:
    """Whether a candidate keeps its budget."""
    return any(candidate.name == model and p50_ms <= candidate.budget_ms for candidate in CANDIDATES)


def to_pull(model: str) -> str:
    """The name to pull for a value of the setting `model`."""
    return DEFAULT_PULL if model == AUTO else model


def offers(choice: AutoChoice) -> tuple[Offer, ...]:
    """Better models than the chosen one that could be pulled, the best first; none that is larger than one that is too
    slow or too large."""
    hopeless = [passed.model for passed in choice.passed_over if passed.reason.startswith((_TOO_SLOW, _TOO_LARGE))]
    better = (passed for passed in choice.passed_over if is_better(passed.model, choice.model))
    missing = [passed.model for passed in better if passed.reason == _NOT_PULLED]
    missing = [model for model in missing if not any(is_better(model, known) for known in hopeless)]
    return tuple(Offer(name, NAMED_MODELS[name].size, NAMED_MODELS[name].disk_bytes) for name in missing)


_NOT_PULLED, _TOO_SLOW, _TOO_LARGE = "not pulled", "too slow here", "too large"


def _fault(candidate: Candidate, known: Pulled | None, available: int | None) -> str | None:
    """What speaks against a candidate."""
    if known is None:
        return _NOT_PULLED
    if not known.takes_adapter:
        return "the adapter is made for another model"
    if known.needed is not None and available is not None and known.needed > available:
        return f"{_TOO_LARGE}: it needs {known.needed / 1e9:.2f} GB, and {available / 1e9:.2f} GB are available"
    if known.p50_ms is not None and known.p50_ms > candidate.budget_ms:
        again = f"`lacuna doctor --model {candidate.name}` measures it again"
        return f"{_TOO_SLOW}: {known.p50_ms:.0f} ms a keystroke, {candidate.budget_ms:.0f} at most ({again})"
    return None


def _why(candidate: Candidate, pulled: Mapping[str, Pulled]) -> str:
    which = "the only one that is pulled" if len(pulled) == 1 else "the best that is pulled and fits this machine"
    p50_ms = pulled[candidate.name].p50_ms
    return which if p50_ms is None else f"{which}: {p50_ms:.0f} of {candidate.budget_ms:.0f} ms a keystroke"


def _last_resort(pulled: Mapping[str, Pulled], passed: list[PassedOver]) -> AutoChoice:
    if not pulled:
        others = tuple(other for other in passed if other.model != DEFAULT_PULL)
        return AutoChoice(DEFAULT_PULL, "nothing is pulled, and this is what `lacuna pull` brings", others, False)
    taken = [name for name, known in pulled.items() if known.takes_adapter] or list(pulled)
    last = [other for other in passed if other.model in taken][-1]
    which = "the only one" if len(taken) == 1 else "the smallest"
    others = tuple(other for other in passed if other != last)
    return AutoChoice(last.model, f"{which} that can be used, though {last.reason}", others, False)
