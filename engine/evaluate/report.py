"""What an evaluation found: tables for people, and one line of JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from lacuna.engine.evaluate.bootstrap import interval
from lacuna.engine.evaluate.figures import Figures, exact, figures_of, unasked_exact
from lacuna.engine.evaluate.gaps import AUTOMATIC, GapKind
from lacuna.engine.evaluate.outcome import Outcome

HEADLINE_LANGUAGE = "python"


@dataclass(frozen=True)
class Report:
    outcomes: tuple[Outcome, ...]
    subject: str  # what was evaluated: a hash of code, weights, adapter

    @property
    def headline(self) -> list[Outcome]:
        """Rests of lines: of Python where there are any, else of all languages."""
        rests = [outcome for outcome in self.outcomes if outcome.gap.kind is GapKind.REST_OF_LINE]
        return [outcome for outcome in rests if outcome.gap.file.language == HEADLINE_LANGUAGE] or rests

    @property
    def in_lines(self) -> list[Outcome]:
        """Of the kinds where one types on in a line."""
        return [outcome for outcome in self.outcomes if outcome.gap.kind in AUTOMATIC]

    def summary(self) -> dict[str, object]:
        """Intervals are of 95 %, drawn by file. `eol_*` are of the headline; the figures behind them of the gaps in
        lines; those of all, by kind and by language and kind, follow. `reasons` counts why nothing was shown."""
        rests = self.headline
        in_lines = figures_of(self.in_lines)
        shown = [one for one in self.in_lines if one.unasked.shown and one.gap.kind is not GapKind.EMPTY]
        return {
            "subject": self.subject,
            "gaps": len(self.outcomes),
            "files": len({outcome.gap.file.name for outcome in self.outcomes}),
            "eol_gaps": len(rests),
            "eol_exact": figures_of(rests).exact,
            "eol_exact_interval": _interval(rests, exact),
            **{name: getattr(in_lines, name) for name in _IN_LINES},
            "shown_exact_interval": _interval(shown, unasked_exact),
            "kinds": {kind: figures_of(group).as_json() for kind, group in _groups(self.outcomes, _kind)},
            "languages": {
                language: {kind: figures_of(group).as_json() for kind, group in _groups(outcomes, _kind)}
                for language, outcomes in _groups(self.outcomes, _language)
            },
            "reasons": {"unasked": _reasons(self.outcomes, True), "asked": _reasons(self.outcomes, False)},
        }

    def show(self, console: Console) -> None:
        """Tables; the last line is the summary as JSON."""
        console.print(_table("all gaps by kind", _groups(self.outcomes, _kind)))
        console.print(_table("gaps in a line by language", _groups(self.in_lines, _language)))
        console.print(self._reason_table())
        console.print(json.dumps(self.summary()), soft_wrap=True, highlight=False, markup=False)

    def _reason_table(self) -> Table:
        table = Table(title="why nothing is shown", title_justify="left")
        table.add_column("reason")
        for name in ("unasked", "asked"):
            table.add_column(name, justify="right")
        unasked, asked = _reasons(self.outcomes, True), _reasons(self.outcomes, False)
        for reason in {**unasked, **asked}:
            table.add_row(reason, str(unasked.get(reason, 0)), str(asked.get(reason, 0)))
        return table


_IN_LINES = ("unasked_exact", "shown", "shown_exact", "shown_true", "quiet", "saved", "short", "forwards")

# Columns: what they are called, and whose figure they are.
_COLUMNS: dict[str, Callable[[Figures], float | None]] = {
    "gaps": lambda figures: figures.gaps,
    "asked: exact %": lambda figures: figures.exact,
    "one of all %": lambda figures: figures.exact_any,
    "unasked: shown %": lambda figures: figures.shown,
    "of it exact %": lambda figures: figures.shown_exact,
    "true so far %": lambda figures: figures.shown_true,
    "quiet %": lambda figures: figures.quiet,
    "saves": lambda figures: figures.saved,
    "short %": lambda figures: figures.short,
}


def _table(title: str, groups: Iterable[tuple[str, Sequence[Outcome]]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for group, outcomes in groups:
        figures = figures_of(outcomes)
        table.add_row(group, *(_cell(value_of(figures)) for value_of in _COLUMNS.values()))
    return table


def _groups(outcomes: Iterable[Outcome], name_of: Callable[[Outcome], str]) -> list[tuple[str, list[Outcome]]]:
    """By name, the largest first."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(name_of(outcome), []).append(outcome)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def _kind(outcome: Outcome) -> str:
    return outcome.gap.kind.value


def _language(outcome: Outcome) -> str:
    return outcome.gap.file.language


def _reasons(outcomes: Iterable[Outcome], unasked: bool) -> dict[str, int]:
    """How often each was the reason why nothing was shown, the most frequent first."""
    answers = (outcome.unasked if unasked else outcome.asked for outcome in outcomes)
    return dict(Counter(answer.reason for answer in answers if not answer.shown).most_common())


def _interval(outcomes: Sequence[Outcome], score: Callable[[Outcome], float]) -> list[float] | None:
    """Percent."""
    if not outcomes:
        return None
    found = interval(outcomes, score)
    return [round(100 * found.low, 1), round(100 * found.high, 1)]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
