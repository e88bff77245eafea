"""The figures of a group of gaps: what is right of what is shown, asked and unasked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from lacuna.engine.evaluate.gaps import GapKind
from lacuna.engine.evaluate.outcome import Outcome, Shown

SHORT = 3  # characters: what is hardly worth reading


@dataclass(frozen=True)
class Figures:
    """Percentages, but for `gaps`, `saved` and `forwards`; None where there is nothing to take a share of.

    Where nothing is missing silence is exact, and whatever is shown is wrong.
    """

    gaps: int
    exact: float | None  # asked: the best suggestion makes the document what it was
    exact_any: float | None  # asked: one of the suggestions does
    similarity: float | None  # asked: of the best suggestion to the right text
    unasked_exact: float | None  # of all gaps
    shown: float | None  # unasked: something is shown, of the gaps where something is missing
    shown_exact: float | None  # unasked: of what is shown where something is missing
    shown_true: float | None  # and right as far as it goes
    quiet: float | None  # unasked: nothing is shown, of the places where nothing is missing
    saved: float | None  # unasked: characters that a suggestion saves; a wrong one, wherever it is shown, saves none
    short: float | None  # unasked: suggestions of at most SHORT characters, of all that are shown
    forwards: float | None  # unasked: passes, where the model was asked

    def as_json(self) -> dict[str, float | None]:
        return asdict(self)


def figures_of(outcomes: Sequence[Outcome]) -> Figures:
    missing = [outcome for outcome in outcomes if outcome.gap.kind is not GapKind.EMPTY]
    empty = [outcome for outcome in outcomes if outcome.gap.kind is GapKind.EMPTY]
    shown = [outcome for outcome in outcomes if outcome.unasked.shown]
    shown_missing = [outcome for outcome in missing if outcome.unasked.shown]
    return Figures(
        gaps=len(outcomes),
        exact=_percent(outcomes, exact),
        exact_any=_percent(outcomes, _exact_any),
        similarity=_percent(missing, lambda outcome: outcome.similarity(outcome.first(outcome.asked))),
        unasked_exact=_percent(outcomes, unasked_exact),
        shown=_percent(missing, lambda outcome: bool(outcome.unasked.shown)),
        shown_exact=_percent(shown_missing, unasked_exact),
        shown_true=_percent(shown_missing, lambda outcome: outcome.is_true(_unasked(outcome))),
        quiet=_percent(empty, lambda outcome: not outcome.unasked.shown),
        saved=_mean(shown, lambda outcome: outcome.saved(_unasked(outcome))),
        short=_percent(shown, lambda outcome: len(_unasked(outcome).text) <= SHORT),
        forwards=_mean([one for one in outcomes if one.unasked.forwards], lambda outcome: outcome.unasked.forwards),
    )


def exact(outcome: Outcome) -> bool:
    """Whether the best suggestion, when asked for one, is exactly right."""
    return outcome.is_exact(outcome.first(outcome.asked))


def unasked_exact(outcome: Outcome) -> bool:
    """Whether what comes unasked is exactly right."""
    return outcome.is_exact(_unasked(outcome))


def _exact_any(outcome: Outcome) -> bool:
    return any(map(outcome.is_exact, outcome.asked.shown or (Shown(""),)))


def _unasked(outcome: Outcome) -> Shown:
    return outcome.first(outcome.unasked)


def _percent(outcomes: Sequence[Outcome], share: Callable[[Outcome], float]) -> float | None:
    return _mean(outcomes, lambda outcome: 100.0 * share(outcome))


def _mean(outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> float | None:
    return round(math.fsum(map(value, outcomes)) / len(outcomes), 1) if outcomes else None
